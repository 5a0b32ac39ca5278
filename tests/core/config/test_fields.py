"""Texts that end up in a message: what could not be sent is refused when it is loaded."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from l7proxy.core.config import ConfigError, config_from
from l7proxy.tools.schema import config_schema

POOLS = {"a": {"backends": ["a:1"]}}


def with_pool(**settings: Any) -> dict[str, Any]:
    return {"backend_pools": {"a": {"backends": ["a:1"], **settings}}}


def with_route(**settings: Any) -> dict[str, Any]:
    route = {"path_regex": "/(.*)", "backend_pool": "a", **settings}
    return {"backend_pools": POOLS, "routes": [route]}


def with_sticky_cookie(**settings: Any) -> dict[str, Any]:
    return with_pool(sticky={"cookie": {"key_env": "KEY", **settings}})


SENDABLE: list[tuple[str, dict[str, Any]]] = [
    ("a:1", with_pool(backends=["{}"])),
    ("http://a:1", with_pool(backends=["{}"])),
    ("unix:/run/a.sock", with_pool(backends=["{}"])),
    ("/up?a=b", with_pool(health={"path": "{}"})),
    ("client_ip", with_pool(rate_limit={"requests_per_second": 1, "per": "{}"})),
    ("header:X-Team", with_pool(rate_limit={"requests_per_second": 1, "per": "{}"})),
    ("X-Key", {"backend_pools": POOLS, "rate_limits": {"api_key_header": "{}"}}),
    ("X-Tier", {"backend_pools": POOLS, "rate_limits": {"api_tier_header": "{}"}}),
    ("lb", with_sticky_cookie(name="{}")),
    ("/shop", with_sticky_cookie(path="{}")),
    ("sid", with_pool(sticky={"learn": {"cookie": "{}"}})),
    ("edge-1", {"backend_pools": POOLS, "server": {"via": "{}"}}),
    ("/é", with_pool(simulate={"paths": {"{}": {}}})),
    ("/é", with_route(path="{}", path_regex=None)),
    ("/é/*", with_route(path_pattern="{}", path_regex=None)),
    ("/old", with_route(rewrite={"strip_prefix": "{}"})),
    ("/old", with_route(rewrite={"replace_prefix": {"{}": "/new"}})),
    ("/new", with_route(rewrite={"replace_prefix": {"/old": "{}"}})),
    ("/v/{1}", with_route(rewrite={"substitution": "{}"})),
    ("h-{1}", with_route(rewrite={"host": "{}"})),
    ("https://{host}/é#top", with_route(backend_pool=None, redirect={"location": "{}"})),
    ("POST", with_route(methods=["{}"])),
    ("X", with_route(request_headers={"remove": ["{}"]})),
    ("v", with_route(response_headers={"set": {"X": "{}"}})),
    ("cookie:u", with_route(backend_pool=None, split={"pools": {"a": 1}, "sticky": "{}"})),
]
"""A text that can be sent, and where it stands, marked by {}."""


def put(template: Any, text: str) -> Any:
    """The template with the text in place of {}, and without what is None."""
    if isinstance(template, dict):
        kept = {key: value for key, value in template.items() if value is not None}
        return {put(key, text): put(value, text) for key, value in kept.items()}
    if isinstance(template, list):
        return [put(item, text) for item in template]
    return text if template == "{}" else template


@pytest.mark.parametrize(("text", "template"), SENDABLE)
def test_what_can_be_sent_is_taken(text: str, template: dict[str, Any]) -> None:
    config_from(put(template, text))


@pytest.mark.parametrize("flaw", ["\n", "\r\nX: y", "\x00", "\x7f"])
@pytest.mark.parametrize(("text", "template"), SENDABLE)
def test_what_would_end_a_line_is_refused_also_by_the_schema(
    text: str, template: dict[str, Any], flaw: str
) -> None:
    config = put(template, text + flaw)
    with pytest.raises(ConfigError) as caught:
        config_from(config)
    assert json.dumps(flaw)[1:-1] in json.dumps(str(caught.value))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, config_schema())


@pytest.mark.parametrize(("text", "template"), [
    ("/a b", with_pool(health={"path": "{}"})),
    ("/a#b", with_pool(health={"path": "{}"})),
    ("/é", with_pool(health={"path": "{}"})),
    ("/a b", with_route(path="{}", path_regex=None)),
    ("/a?b", with_route(path="{}", path_regex=None)),
    ("/a#b", with_route(path_pattern="{}", path_regex=None)),
    ("/a?b", with_route(rewrite={"strip_prefix": "{}"})),
    ("/a b", with_route(rewrite={"substitution": "{}"})),
    ("/a#b", with_route(rewrite={"substitution": "{}"})),
    ("/a b", with_route(backend_pool=None, redirect={"location": "{}"})),
])  # fmt: skip
def test_what_is_no_path_or_uri_is_refused(text: str, template: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        config_from(put(template, text))


@pytest.mark.parametrize(("rewrite", "pointer"), [
    ({"strip_prefix": "/a%zz"}, "/strip_prefix"),
    ({"replace_prefix": {"/../a": "/b"}}, "/replace_prefix/~1..~1a"),
    ({"replace_prefix": {"/a": "/%2f"}}, "/replace_prefix/~1a"),
])  # fmt: skip
def test_a_prefix_that_no_path_can_have_is_refused(rewrite: Any, pointer: str) -> None:
    routes = [{"backend_pool": "a", "rewrite": rewrite}]
    default = {"backend_pool": "a", "rewrite": rewrite}
    with pytest.raises(ConfigError) as caught:
        config_from({"backend_pools": POOLS, "routes": routes, "default": default})
    assert [problem.pointer for problem in caught.value.problems] == [
        f"/routes/0/rewrite{pointer}", f"/default/rewrite{pointer}",
    ]  # fmt: skip
    kept = {"encoded_slashes": "keep"}
    config_from(with_route(rewrite={"strip_prefix": "/a%2fb"}) | {"paths": kept})
