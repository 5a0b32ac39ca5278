"""Whatever a client or a backend would see otherwise is a change, and nothing else is."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools.diff import Comparison, as_json, as_text
from l7proxy.tools.formats import Traffic
from l7proxy.tools.outcome import FIELDS
from l7proxy.tools.replay import replay

PLAIN: dict[str, Any] = {"path_pattern": "/*", "backend_pool": "p"}
KEY = b"a key of sixteen bytes"


def compared(
    before: dict[str, Any],
    after: dict[str, Any],
    requests: list[dict[str, Any]],
    fields: tuple[str, ...] = FIELDS,
) -> Comparison:
    """Compares two configurations that are alike but for these members."""
    pools = {"p": {"backends": ["p:80"]}, "q": {"backends": ["q:80"]}}
    comparison = Comparison(fields)
    players = [
        ReplayNode(
            config_from({"backend_pools": pools, **config}),
            Random(0),
            comparison.side(side),
            secrets=lambda kind, name: KEY,
        )
        for side, config in enumerate((before, after))
    ]
    lines = [
        {"src": "192.0.2.1", "at": 0, "body": {"type": "http_request", "path": "/a/7", **request}}
        for request in requests
    ]
    replay(Traffic(map(json.dumps, lines)), players)
    comparison.finish()
    assert comparison.compared == len(requests)
    return comparison


def route(**members: Any) -> dict[str, Any]:
    return {"routes": [{**PLAIN, **members}]}


def moved(location: str) -> dict[str, Any]:
    return {"routes": [{"path_pattern": "/*", "redirect": {"location": location}}]}


def written(**members: Any) -> dict[str, Any]:
    return {"routes": [{"path_pattern": "/*", "respond": members}]}


def simulated(**simulate: Any) -> dict[str, Any]:
    pool = {"backends": ["p:80"], "simulate": simulate}
    return {"backend_pools": {"p": pool}, "routes": [PLAIN]}


def sticky(**cookie: Any) -> dict[str, Any]:
    pool = {"backends": ["p:80"], "sticky": {"cookie": {"key_file": "k", **cookie}}}
    return {"backend_pools": {"p": pool}, "routes": [PLAIN]}


REQUEST = {"path": "/a/7?b=1", "headers": {"Host": "shop.example", "X-A": "1"}}


@pytest.mark.parametrize(("before", "after", "changed"), [
    (route(), route(rewrite={"strip_prefix": "/a"}), {"path": ("/a/7?b=1", "/7?b=1")}),
    (route(rewrite={"strip_prefix": "/a"}), route(rewrite={"replace_prefix": {"/a": "/c"}}),
     {"path": ("/7?b=1", "/c/7?b=1")}),
    (route(rewrite={"regex": "7", "substitution": "8"}),
     route(rewrite={"regex": "7", "substitution": "9"}), {"path": ("/a/8?b=1", "/a/9?b=1")}),
    (route(), route(rewrite={"host": "evil.example"}), {"host": ("shop.example", "evil.example")}),
    (route(), route(request_headers={"set": {"X-A": "2"}, "add": {"X-B": ["3", "4"]}}),
     {"request_headers": (("x-a: 1",), ("x-a: 2", "x-b: 3", "x-b: 4"))}),
    (route(), route(request_headers={"remove": ["x-a"]}), {"request_headers": (("x-a: 1",), None)}),
    (route(), route(mirror="q"), {"mirror": (None, "q")}),
    (moved("https://e.example/new"), moved("https://evil.example/"),
     {"location": ("https://e.example/new", "https://evil.example/")}),
    (route(), route(response_headers={"add": {"X-Frame-Options": "DENY"}}),
     {"response_headers": (None, ("x-frame-options: DENY",))}),
    (written(headers={"X-C": "1"}), written(headers={"X-C": "2"}),
     {"response_headers": (("x-c: 1",), ("x-c: 2",))}),
    (written(body="closed"), written(body="open"), {"body": ("closed", "open")}),
    (written(), written(status=204), {"status": (200, 204)}),
    (simulated(body="1"), simulated(body="2"), {"body": ("1", "2")}),
    (sticky(), sticky(secure=True), {"set_cookie":
     ("l7proxy; Path=/; HttpOnly", "l7proxy; Path=/; Secure; HttpOnly")}),
    (sticky(), route(), {"set_cookie": ("l7proxy; Path=/; HttpOnly", None)}),
    (route(), {"routes": []}, {"route": ("/*", None), "pool": ("p", None), "status": (200, 404),
     "body": (None, "no route matches: /a/7")}),
    (route(), route(backend_pool="q"), {"pool": ("p", "q")}),
])  # fmt: skip
def test_what_a_client_or_a_backend_would_see_otherwise_is_a_change(
    before: dict[str, Any], after: dict[str, Any], changed: dict[str, tuple[Any, Any]]
) -> None:
    for one, other, at in ((before, after, 0), (after, before, 1)):
        (change,) = as_json(compared(one, other, [REQUEST]))["changes"]
        assert change["before"] == {field: pair[at] for field, pair in changed.items()}
        assert change["after"] == {field: pair[1 - at] for field, pair in changed.items()}


@pytest.mark.parametrize(("before", "after"), [
    (route(), route(request_headers={"set": {"x-A": "1"}})),
    (route(), route(rewrite={"host": "{authority}"})),
    (route(), route(rewrite={"strip_prefix": "/b"})),
    (written(headers={"X-A": "1", "X-B": "2"}), written(headers={"x-b": "2", "x-a": "1"})),
    (written(), written(status=200)),
    (written(), written(body="")),
])  # fmt: skip
def test_what_is_only_written_in_another_way_is_no_change(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert compared(before, after, [REQUEST]).changes == {}


def test_only_what_is_asked_for_is_compared() -> None:
    after = route(rewrite={"strip_prefix": "/a", "host": "b.example"}, mirror="q")
    for fields in (("host",), ("mirror", "path")):
        (change,) = as_json(compared(route(), after, [REQUEST], fields))["changes"]
        assert set(change["before"]) == set(fields)
    assert compared(route(), after, [REQUEST], ("status", "backend")).changes == {}


def test_requests_whose_paths_change_alike_are_one_group_and_show_each_its_own() -> None:
    after = route(rewrite={"strip_prefix": "/a"})
    made = compared(route(), after, [{"path": f"/a/{number}"} for number in range(4)])
    assert as_text(made) == (
        "4 of 4 requests change\n"
        "      4  path\n"
        "         line 1: GET /a/0\n"
        "             path /a/0 -> /0\n"
        "         line 2: GET /a/1\n"
        "             path /a/1 -> /1\n"
        "         line 3: GET /a/2\n"
        "             path /a/2 -> /2\n"
    )
    (change,) = as_json(made)["changes"]
    assert change["varying"] == ["path"]
    assert change["examples"][1] == {
        "line": 2, "request": "GET /a/1", "before": {"path": "/a/1"}, "after": {"path": "/1"},
    }  # fmt: skip


def test_a_value_that_is_long_is_cut_and_stays_on_its_line() -> None:
    made = as_text(compared(written(body="\n" + "x" * 100), written(), [REQUEST]))
    assert f"body \\n{'x' * 78}... -> none\n" in made


def pool(*backends: Any) -> dict[str, Any]:
    return {**route(), "backend_pools": {"p": {"backends": list(backends)}}}


@pytest.mark.parametrize(("before", "after", "change"), [
    ("p:80", "p:81", {"address": ("p:80", "p:81")}),
    ("http://p:80", "https://p:80", {"address": ("p:80", "https://p:80")}),
    ("p:80", {"name": "p", "address": "q:80"}, {"address": ("p:80", "q:80")}),
    ("p:80", "http://p:80", None),
    ("p:80", "q:80", {"backend": ("p", "q")}),
])  # fmt: skip
def test_another_address_under_the_same_name_is_a_change(
    before: Any, after: Any, change: dict[str, Any] | None
) -> None:
    comparison = compared(pool(before), pool(after), [{}])
    found = [{field: (one.before[field], one.after[field]) for field in one.before}
             for one in comparison.changes.values()]  # fmt: skip
    assert found == ([] if change is None else [change])
