"""A path with parameters is no way past a route, in the node, in serve and in explain."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools import explain
from tests.test_one_grammar import Doors, configured, public_text

ROUTES: list[dict[str, Any]] = [
    {"name": "admin", "path_pattern": "/admin/*"},
    {"name": "login", "path": "/app/login"},
    {"name": "marked", "path_pattern": "/marked;v=1/*"},
    {"name": "posts", "path_pattern": "/posts/*", "methods": ["POST"]},
    {"name": "host", "host": "a.example", "path_pattern": "/inside/*"},
    {"name": "app", "path_pattern": "/app/*"},
    {"name": "others", "path_pattern": "/*"},
]
REFUSED = "the path is another route's without its ;parameters"
CLIMBS = "the path has a dot segment"


def asked(path: str, routes: list[dict[str, Any]], host: str = "", **more: Any) -> str:
    """The route that all of them take, or the beginning of what they say."""
    headers = {"Host": host} if host else {}
    outcome = Doors(routes, **more).ask(path=path, headers=headers)
    request = explain.request_from(["GET", path], headers=[f"Host: {host}"] if host else [])
    explained = explain.explain(configured(routes, "simulated", **more), request, 0)
    if outcome.asked is None:
        assert explained.local_reply is not None and outcome.said is not None
        assert outcome.said == public_text(explained.local_reply.text)
        return outcome.said
    assert str(explained.route) == outcome.asked.route
    assert outcome.asked.path == path
    return outcome.asked.route


@pytest.mark.parametrize("path", [
    "/admin;x=1", "/admin;/x", "/;/admin", "/;x/admin/y", "/admin;", "/;;/admin", "/admin%3Bx/y",
"/app/login;jsessionid=1", "/;a/app",
])  # fmt: skip
def test_what_is_another_routes_without_parameters_is_refused(path: str) -> None:
    assert asked(path, ROUTES) == REFUSED
    assert asked(path, ROUTES, paths={"parameters": "keep"}) not in ("admin", "login")


@pytest.mark.parametrize(("path", "route"), [
    ("/", "others"),
    ("/;", "others"),
    ("/x;y=1/z;a,b", "others"),
    ("/x;admin", "others"),
    ("/x%3By", "others"),
    ("/admin/x;y=1", "admin"),
    ("/admin/;y", "admin"),
    ("/app/x;jsessionid=1", "app"),
    ("/marked;v=1/x", "marked"),
    ("/posts;x", "others"),
    ("/x?a;b", "others"),
])  # fmt: skip
def test_other_semicolons_are_characters_like_any_others(path: str, route: str) -> None:
    assert asked(path, ROUTES) == route


def test_the_host_and_other_conditions_count_as_they_do_for_any_path() -> None:
    assert asked("/inside;x", ROUTES, "a.example") == REFUSED
    assert asked("/inside;x", ROUTES, "b.example") == "others"


def test_what_no_route_takes_is_no_routes() -> None:
    assert asked("/admin;x", ROUTES[:1]) == "no route matches: /admin;x"


@pytest.mark.parametrize("path", [
    "/x%2F..;/admin", "/x%2F..%3B/admin", "/x/..%3B/admin", "/..;/admin", "/.;x/admin",
    "/x%2f.;a%2Fadmin", "/x%2F%2e%2e;/admin", "/x%2F..%2Fadmin", "/x/..%2fadmin", "/x%2F..",
])  # fmt: skip
def test_nothing_climbs_over_an_encoded_slash(path: str) -> None:
    for parameters in ("refuse", "keep"):
        paths = {"encoded_slashes": "keep", "parameters": parameters}
        assert asked(path, ROUTES, paths=paths).startswith(CLIMBS)


def test_slashes_that_are_left_make_no_parameters() -> None:
    paths = {"merge_slashes": False}
    assert asked("/;//admin", ROUTES, paths=paths) == REFUSED
    assert asked("//x;", ROUTES, paths=paths) == "others"
    target = explain.explain(
        configured(ROUTES, "simulated", paths=paths), HttpRequest("GET", "//x;"), 0
    ).target
    assert target is not None and target.path == "//x;"
