"""What is valid and can't be meant: `check` names it, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.tools.mistakes import mistakes
from l7proxy.tools.never_matches import never_matches


def found(config: dict[str, Any]) -> list[str]:
    return [f"{at}: {what}" for at, what in mistakes(config_from(config), config)]


BEGINS = "a path begins with / and not with "


@pytest.mark.parametrize(("regex", "why"), [
    ("/a b", 'there is no " " in a path, but %20'),
    ("/caf\u00e9", 'there is no "\u00e9" in a path, but %C3%A9'),
    ("/a[ ]b", 'there is no " " in a path, but %20'),
    ("/a[\u00e0-\u00e9]+", 'there is no "\u00e0" in a path, but %C3%A0'),
    ("/(a b|\u00e9)", 'there is no " " in a path, but %20'),
    ("/(?:a( ))b", 'there is no " " in a path, but %20'),
    ("/(?> )", 'there is no " " in a path, but %20'),
    ("/a {2,3}", 'there is no " " in a path, but %20'),
    (r"/a\?b=1", "a path has no ?, nor what follows it; a query has conditions of its own"),
    ("/a#b", "a path has no #, nor what follows it; a query has conditions of its own"),
    (r"/a\\b", "a path has no backslash"),
    ("api/.*", f"{BEGINS}a"),
    ("^api", f"{BEGINS}a"),
    ("(api)/x", f"{BEGINS}a"),
    ("/a b?", 'there is no " " in a path, but %20'),
    # What may match, or of which it can't be told.
    ("/a *b", None), ("/a( |b)", None), ("/a[ b]", None), (r"/a[\s]", None), ("/[^ ]", None),
    (r"/a\sb", None), ("/a(?! )b", None), ("/a(?= )b", None), ("/a[^/]+/b", None), ("", None),
    (r"/(?P<id>\d+)(?P=id)", None), ("/a|b", None), (".*", None), ("(?x) /a b", None),
    ("(?i)/CAF", None), ("^/a$", None), ("/a%20b", None), ("/a+?", None), ("/a++", None),
])  # fmt: skip
def test_an_expression_that_no_path_matches_is_found(regex: str, why: str | None) -> None:
    assert never_matches(regex, complete=True) == why


def test_an_expression_for_a_part_of_a_path_begins_anywhere() -> None:
    assert never_matches("api", complete=False) is None
    assert never_matches("a b", complete=False) == 'there is no " " in a path, but %20'


def test_each_place_of_an_expression_is_looked_at() -> None:
    pool = {"p": {"backends": ["p"]}}
    rewrite = {"regex": "\u00e9", "substitution": "/x"}
    config = {
        "backend_pools": pool,
        "routes": [
            {"path_regex": "x", "backend_pool": "p", "rewrite": rewrite},
            {"path_regex": "/x", "backend_pool": "p", "rewrite": {"substitution": "/{0}"}},
        ],
        "default": {"backend_pool": "p", "rewrite": rewrite},
    }
    never = 'it can never match: there is no "\u00e9" in a path, but %C3%A9'
    assert found(config) == [
        f"/routes/0/path_regex: it can never match: {BEGINS}x",
        f"/routes/0/rewrite/regex: {never}",
        f"/default/rewrite/regex: {never}",
    ]


@pytest.mark.parametrize(("value", "what"), [
    ("{client_ip}", "{client_ip}"), ("for={remote_host}", "{remote_host}"),
    ("$remote_addr", "$remote_addr"), ("${HOST}", "${HOST}"), ("a %[src] b", "%[src]"),
    (["a", "{path}"], "{path}"),
    ("a", None), ("{}", None), ('{"a": 1}', None), ("$5", None), ("100%", None), ("{ a }", None),
])  # fmt: skip
def test_a_header_in_which_nothing_is_filled_in_is_named(value: Any, what: str | None) -> None:
    edits = {"add": {"X-A": value}} if isinstance(value, list) else {"set": {"X-A": value}}
    config = {
        "backend_pools": {"p": {"backends": ["p"]}},
        "routes": [{"path": "/", "backend_pool": "p", "request_headers": edits}],
        "default": {"respond": {}, "response_headers": edits},
    }
    key = next(iter(edits))
    expected = [
        f"{at}/{key}/X-A: {what} is sent as it is written: nothing is filled in here"
        for at in ("/routes/0/request_headers", "/default/response_headers")
    ]
    assert found(config) == (expected if what is not None else [])


@pytest.mark.parametrize(("address", "why"), [
    ("$BACKEND:80", "$BACKEND is not filled in here"),
    ("${HOST}:80", "${HOST} is not filled in here"),
    ("http://{{host}}:80", "{{host}} is not filled in here"),
    ("%HOST%", "%HOST% is not filled in here"),
    ("10.0.0.256:80", "10.0.0.256 is not an IP address"),
    ("http://10.0.1", "10.0.1 is not an IP address"),
    ("[fe80:::1]:80", "fe80:::1 is not an IP address"),
    ("http://u@a:80", "there is no user in an address"),
    ("http://u:p@a", None),
    ("10.0.0.255:80", None), ("[::1]:80", None), ("a", None), ("1", None), ("n1", None),
    ("b\u00fccher.example", None), ("unix:/run/$app", None),
])  # fmt: skip
def test_an_address_that_leads_nowhere_is_named(address: str, why: str | None) -> None:
    if address == "http://u:p@a":
        with pytest.raises(ValueError, match="the port must be a number"):
            config_from({"backends": [address]})
        return
    lines = found(
        {"backend_pools": {"p": {"backends": ["a:1", {"address": address, "name": "b"}]}}}
    )
    said = f'/backend_pools/p/backends/1: "{address}" leads nowhere: {why}'
    assert lines == ([said] if why is not None else [])
    assert found({"backends": [address], "upstream": "envelope"}) == []


@pytest.mark.parametrize(("pool", "warned"), [
    ({"backends": ["a"], "retries": {"attempts": 3}}, True),
    ({"backends": ["a"], "retries": {"attempts": 2, "retry_on": [503]}}, True),
    ({"backends": ["a"], "retries": {"attempts": 3, "backoff": 1}}, False),
    ({"backends": ["a"], "retries": {"attempts": 1}}, False),
    ({"backends": ["a"], "retries": {"budget": 1}}, False),
    ({"backends": ["a"]}, False),
    ({"backends": ["a", "b"], "retries": {"attempts": 3}}, False),
])  # fmt: skip
def test_attempts_that_are_never_made_are_named(pool: dict[str, Any], warned: bool) -> None:
    what = (
        '/retries/attempts: a single backend is tried once: without a "backoff" another attempt'
        " is made on another backend only"
    )
    assert found(pool) == [what] * warned
    assert found({"backend_pools": {"a/b": pool}}) == [f"/backend_pools/a~1b{what}"] * warned
