"""Why a route was taken, and which can't be."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.core import Headers, HttpRequest, Proxy, config_from
from l7proxy.core.config.routes import RouteConfig
from l7proxy.core.http.target import PathRules, parse_target
from l7proxy.core.routing.explain import explain, shadowed
from l7proxy.core.routing.paths import PathMatch, path_match
from tests.core.routing.reference import choose
from tests.core.routing.test_router import router_for, some_request, some_route


def explained(
    routes: list[dict[str, object]], request: HttpRequest
) -> tuple[str | None, list[tuple[str, str]]]:
    found = explain(router_for(routes), request, parse_target(request))
    winner = None if found.winner is None else str(found.winner)
    return winner, [(str(route), why) for route, why in found.lost]


def test_each_loser_says_what_it_lacked_the_closest_first() -> None:
    request = HttpRequest("GET", "/api/users?v=1", Headers([("Host", "a.example.com")]))
    assert explained(
        [
            {"name": "elsewhere", "path": "/x", "host": "other.org", "backend_pool": "p"},
            {"name": "writes", "path_pattern": "/api/*", "methods": ["POST"], "backend_pool": "p"},
            {"name": "beta", "headers": {"X-Beta": {"present": True}}, "backend_pool": "p"},
            {"name": "any", "path_pattern": "/*", "backend_pool": "p"},
            {"name": "wild", "host": "*.example.com", "backend_pool": "p"},
            {"name": "api", "host": "*.example.com", "path_pattern": "/api/*", "backend_pool": "p"},
        ],
        request,
    ) == (
        "api",
        [
            ("any", "less specific than api: it asks for the host more exactly"),
            ("wild", "less specific than api: its path is of a more specific kind"),
            ("writes", "the method must be POST"),
            ("beta", 'the header "x-beta" must be there'),
            ("elsewhere", "the host must be other.org; the path must match /x"),
        ],
    )


def test_where_nothing_matches_every_route_says_why() -> None:
    routes: list[dict[str, object]] = [
        {"path_pattern": "/v*/x", "backend_pool": "p"},
        {"path_regex": "/a+", "client_ip": "10.0.0.0/8", "backend_pool": "p"},
        {"cookies": {"k": "1"}, "query": {"q": {"prefix": "x"}}, "backend_pool": "p"},
        {
            "headers": {"h": {"regex": "a|b"}},
            "cookies": {"s": {"present": False}},
            "backend_pool": "p",
        },
    ]
    request = HttpRequest("GET", "/b", cookies={"s": "1"})
    assert explained(routes, request) == (
        None,
        [
            ("/v*/x", "the path must match /v*/x"),
            (
                "any path",
                "the query parameter \"q\" must begin with 'x'; the cookie \"k\" must be '1'",
            ),
            ("any path", 'the header "h" must match a|b; the cookie "s" must not be there'),
            ("/a+", "the path must match /a+; the client must be in 10.0.0.0/8"),
        ],
    )


def pairs(*routes: dict[str, object]) -> list[tuple[int, int]]:
    table = [{"backend_pool": "p", **route} for route in routes]
    return [(route.index, by.index) for route, by in shadowed(router_for(table).routes)]


def test_routes_that_others_take_everything_from_are_named() -> None:
    assert pairs({"path_pattern": "/a/*"}, {"path_pattern": "/a/*"}) == [(1, 0)]
    assert pairs({"path": "/a"}, {"path_pattern": "/a"}) == [(1, 0)]
    assert pairs({"path_pattern": "/*"}, {"path_regex": "/x|/y"}, {}) == [(1, 0), (2, 0)]
    assert pairs({"path_pattern": "/a/*"}, {"path_regex": "/a/b(.*)"}) == [(1, 0)]
    assert pairs({"path_regex": "/x+"}, {"path_regex": "/x+"}) == [(1, 0)]
    assert pairs({"path": "/", "methods": ["GET", "PUT"]}, {"path": "/", "methods": ["PUT"]}) == [
        (1, 0)
    ]
    assert pairs({"client_ip": ["10.0.0.0/8"]}, {"client_ip": "10.1.0.0/16"}) == [(1, 0)]
    assert pairs({"host": "x.org"}, {"host": "y.org"}, {"host": ["x.org", "y.org"]}) == [(2, 0)]
    assert pairs(
        {"headers": {"a": {"prefix": "x"}}},
        {"headers": {"A": "xy"}},
        {"headers": {"a": {"prefix": "xz"}}},
        {"headers": {"a": {"present": True}}},
        {"headers": {"a": {"regex": "y+"}}},
        {"headers": {"a": "yy"}},
    ) == [(1, 0), (2, 0), (4, 3), (5, 3)]
    absent: dict[str, object] = {"cookies": {"a": {"present": False}}}
    assert pairs(absent, absent) == [(1, 0)]
    assert pairs({"query": {"a": {"regex": "x+"}}}, {"query": {"a": "x"}}) == [(1, 0)]


def test_one_path_covers_another_where_it_matches_all_that_the_other_does() -> None:
    def path(**route: Any) -> PathMatch:
        return path_match(RouteConfig(backend_pool="p", **route), PathRules())

    every, below, starred = path(), path(path_pattern="/a/*"), path(path_pattern="/a*")
    assert every.covers(below) and not below.covers(every)
    assert below.covers(path(path_pattern="/a/b*")) and not below.covers(starred)
    assert below.covers(path(path="/a")) and not below.covers(path(path="/ab"))
    assert starred.covers(path(path="/ab")) and not starred.covers(below)
    assert not path(path="/a").covers(path(path="/b"))


def test_a_wildcard_explains_itself_beside_the_default() -> None:
    config = config_from(
        {
            "backend_pools": {"p": {"backends": ["a"]}},
            "routes": [
                {"host": "*.a.org", "backend_pool": "p"},
                {"path": "/x", "backend_pool": "p"},
            ],
            "default": "p",
        }
    )
    router = Proxy(config, Random(0)).router
    request = HttpRequest("GET", "/", Headers([("Host", "a.org")]))
    found = explain(router, request, parse_target(request))
    assert [(str(route), why) for route, why in found.lost] == [
        ("*.a.org any path", "the host must be *.a.org"),
        ("/x", "the path must match /x"),
    ]
    assert repr(found.winner) == "Route(2: default)"
    request = HttpRequest("GET", "/x", Headers([("Host", "b.a.org")]))
    found = explain(router, request, parse_target(request))
    assert [why.partition(": ")[2] for _, why in found.lost] == [
        "it asks for the host more exactly",
        "it asks for the host more exactly",
    ]


def test_routes_that_get_some_requests_are_not() -> None:
    assert pairs({"path_pattern": "/a/*"}, {"path_pattern": "/a/b/*"}, {"path": "/a"}) == []
    assert pairs({"path_pattern": "/a/*"}, {"path_regex": "/a/?x"}, {"path_regex": "/a/b|/c"}) == []
    assert pairs({"path_pattern": "/a/*/c"}, {"path_pattern": "/a/*"}, {}) == []
    assert pairs({"host": "x.org"}, {"host": ["x.org", "y.org"]}) == []
    assert pairs({"client_ip": "10.1.0.0/16"}, {"client_ip": ["10.0.0.0/8", "::1"]}) == []
    assert pairs({"cookies": {"a": {"present": False}}}, {"cookies": {"a": "1"}}) == []
    assert pairs({"query": {"a": "1"}}, {"cookies": {"a": "1"}}, {"query": {"a": "2"}}) == []
    assert pairs({"query": {"a": {"prefix": "x"}}}, {"query": {"a": {"regex": "x+"}}}) == []
    assert pairs({"query": {"a": {"present": False}}}, {"cookies": {"a": "1"}}) == []
    assert pairs({"query": {"a": {"regex": "x+"}}}, {"query": {"a": {"regex": "y+"}}}) == []


@settings(max_examples=300)
@given(st.integers(0, 2**64))
def test_no_request_ever_takes_a_route_that_is_said_to_be_unreachable(seed: int) -> None:
    random = Random(seed)
    table = [some_route(random) for _ in range(random.randint(2, 12))]
    unreachable = {route.index for route, _ in shadowed(router_for(table).routes)}
    for _ in range(20):
        assert choose(table, some_request(random)) not in unreachable


def test_a_route_for_an_exact_host_is_explained() -> None:
    routes: list[dict[str, object]] = [
        {"path_pattern": "/*", "host": "a.example", "backend_pool": "p"},
        {"path_pattern": "/*", "host": "*.example", "backend_pool": "p"},
    ]
    winner, _ = explained(routes, HttpRequest("GET", "http://a.example/x"))
    assert winner == "a.example /*"
