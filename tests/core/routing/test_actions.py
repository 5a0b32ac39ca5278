"""What routes do with requests: rewrites, redirects, answers, splits, header edits, mirrors."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from l7proxy.core import (
    ConfigError,
    Exchange,
    Headers,
    HttpRequest,
    HttpResponse,
    Proxy,
    config_from,
)
from l7proxy.core.exchange import MIRRORED
from l7proxy.core.exchange_state import ENDED
from l7proxy.core.http.local_reply import CONNECT_FAILED
from l7proxy.core.random_streams import RandomStreams
from l7proxy.upstreams.base import Upstream
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.simulated import Simulated

POOLS = {name: {"backends": [f"{name}-1"]} for name in ("a", "b", "c")}


def proxy_with(*routes: dict[str, Any], **more: Any) -> Proxy:
    config = {"backend_pools": POOLS, "routes": list(routes), **more}
    return Proxy(config_from(config), Random(0))


def opened(
    route: dict[str, Any], target: str = "/", *headers: tuple[str, str], **more: Any
) -> Exchange:
    request = HttpRequest("GET", target, Headers(headers), **more)
    return proxy_with(route).open(request, 0.0)


def location(exchange: Exchange) -> str | None:
    assert exchange.response is not None and exchange.response.headers is not None
    return exchange.response.headers.get("location")


@pytest.mark.parametrize(
    ("rewrite", "path", "forwarded"),
    [
        ({"strip_prefix": "/api"}, "/api/users", "/users"),
        ({"strip_prefix": "/api/"}, "/api/users/", "/users/"),
        ({"strip_prefix": "/api"}, "/api", "/"),
        ({"strip_prefix": "/api"}, "/apix", None),
        ({"strip_prefix": "/"}, "/api", None),
        ({"replace_prefix": {"/api": "/"}}, "/api/x", "/x"),
        ({"replace_prefix": {"/api": "/v1", "/api/new": "/v2"}}, "/api/new/x", "/v2/x"),
        ({"replace_prefix": {"/api": "/v1", "/api/new": "/v2"}}, "/api/newer", "/v1/newer"),
        ({"replace_prefix": {"/": "/site"}}, "/x", "/site/x"),
        ({"replace_prefix": {"/api": "/api"}}, "/api/x", None),
        ({"regex": "/v([0-9])/", "substitution": "/version-{1}/"}, "/v1/v2/x", "/version-1/v2/x"),
        ({"regex": "(?P<a>a)(b)?", "substitution": "<{a}{2}{{}}>"}, "/ab/a", "/<ab{}>/<a{}>"),
        ({"regex": "x", "substitution": "%61"}, "/x", "/a"),
        ({"regex": "^/api", "substitution": ""}, "/api/x", "/x"),
        ({"regex": "^/api", "substitution": ""}, "/api", "/"),
        ({"host": "h"}, "/x", None),
        ({}, "/x", None),
    ],
)
def test_a_rewrite_changes_the_path_that_is_forwarded(
    rewrite: dict[str, Any], path: str, forwarded: str | None
) -> None:
    exchange = opened({"backend_pool": "a", "rewrite": rewrite}, path + "?q=1")
    assert exchange.rewritten_path == forwarded
    assert exchange.forward_path == (forwarded or path)
    assert exchange.forward_target == (forwarded or path) + "?q=1"


def test_the_groups_of_the_routes_regex_fill_the_path_and_the_host() -> None:
    route = {
        "path_regex": "/t/(?P<tenant>[^/]+)(/.*)",
        "backend_pool": "a",
        "rewrite": {"substitution": "{2}/of/{tenant}", "host": "{tenant}.{host}"},
    }
    exchange = opened(route, "/t/acme/x", ("Host", "Example.com:80"), ("A", "1"))
    assert exchange.rewritten_path == "/x/of/acme"
    assert exchange.forward_host == "acme.example.com"
    assert list(exchange.forward_headers) == [("Host", "acme.example.com"), ("A", "1")]


@pytest.mark.parametrize(("template", "host"), [
    ("new.{host}", "new.example.com"), ("new.{authority}", "new.Example.com:80"),
])  # fmt: skip
def test_a_host_is_rewritten_without_the_client_s_port_or_with_it(template: str, host: str) -> None:
    route = {"backend_pool": "a", "rewrite": {"host": template}}
    assert opened(route, "/", ("Host", "Example.com:80")).forward_host == host


@pytest.mark.parametrize(
    ("rewrite", "path"),
    [
        ({"regex": "/a", "substitution": "a"}, "/a"),
        ({"regex": "a", "substitution": ".."}, "/a"),
        ({"host": "{1}"}, "/a@b"),
        ({"host": "{1}"}, "/"),
    ],
)
def test_a_rewrite_that_makes_nothing_usable_is_answered_500(
    rewrite: dict[str, Any], path: str
) -> None:
    exchange = opened({"path_regex": "/(.*)", "backend_pool": "a", "rewrite": rewrite}, path)
    assert exchange.local_reply is not None and exchange.local_reply.status == 500
    assert exchange.state is ENDED and exchange.backend is None


def test_the_authority_of_an_absolute_target_takes_the_place_of_the_host_header() -> None:
    exchange = opened(
        {"backend_pool": "a", "host": "example.com"},
        "http://EXAMPLE.com:8080/x?q",
        ("host", "other.org"),
        ("A", "1"),
    )
    assert exchange.forward_target == "/x?q"
    assert list(exchange.forward_headers) == [("Host", "EXAMPLE.com:8080"), ("A", "1")]


def test_without_anything_to_change_the_headers_are_the_clients() -> None:
    exchange = opened({"backend_pool": "a"}, "/", ("Host", "x"))
    assert exchange.forward_headers is exchange.request.headers
    assert exchange.forward_host is None


@pytest.mark.parametrize(
    ("template", "target", "expected"),
    [
        ("https://{host}{target}", "/a/./b?x=1", "https://example.com/a/b?x=1"),
        ("https://{host}:8443{path}", "http://[2001:DB8::1]:81/a", "https://[2001:db8::1]:8443/a"),
        ("https://{authority}{target}", "/a/./b?x=1", "https://Example.com:81/a/b?x=1"),
        ("https://{authority}{path}", "http://[2001:DB8::1]:81/a", "https://[2001:DB8::1]:81/a"),
        ("/new{path}", "/a?x", "/new/a"),
        ("/new?{query}", "/a?x=é", "/new?x=%C3%A9"),
        ("/new?{query}", "/a", "/new?"),
        ("/u/{1}", "/a/7", "/u/7"),
        ("{1}x", "/a", "x"),
    ],
)
def test_a_redirect_fills_its_location(template: str, target: str, expected: str) -> None:
    route = {"path_regex": "/a(?:/(.*))?|/.*", "redirect": {"location": template, "status": 308}}
    exchange = opened(route, target, ("Host", "Example.com:81"))
    assert exchange.state is ENDED and exchange.local_reply is None and exchange.backend is None
    assert exchange.response is not None and exchange.response.status == 308
    assert location(exchange) == expected


def test_a_redirect_goes_to_the_rewritten_path_and_never_to_a_host_in_it() -> None:
    rewritten = {"rewrite": {"strip_prefix": "/old"}, "redirect": {"location": "{target}"}}
    exchange = opened(rewritten, "/old/x?q")
    assert (location(exchange), exchange.rewritten_path) == ("/x?q", "/x")
    proxy = proxy_with(rewritten, paths={"merge_slashes": False})
    exchange = proxy.open(HttpRequest("GET", "//evil.org/x"), 0.0)
    assert location(exchange) == "/evil.org/x"


@pytest.mark.parametrize("name", ["host", "authority"])
def test_a_redirect_that_needs_a_host_refuses_requests_without_one(name: str) -> None:
    exchange = opened({"redirect": {"location": f"https://{{{name}}}/"}})
    assert exchange.response is not None and exchange.response.status == 400


def test_a_route_answers_by_itself() -> None:
    headers = {"Content-Type": "text/plain", "X": ["1", "2"]}
    route = {
        "respond": {"status": 451, "headers": headers, "body": "no"},
        "response_headers": {"remove": ["x"], "set": {"Y": "3"}},
    }
    response = opened(route).response
    assert response is not None
    assert (response.status, response.body) == (451, b"no")
    assert list(response.headers or ()) == [("Content-Type", "text/plain"), ("Y", "3")]
    response = opened({"respond": {}}).response
    assert response is not None and (response.status, response.headers) == (200, None)


def dispatched(proxy: Proxy, **upstreams: Upstream) -> tuple[Dispatcher, list[Exchange]]:
    delivered: list[Exchange] = []
    simulated = {
        name: Simulated(pool, RandomStreams(Random(0))) for name, pool in proxy.pools.items()
    }

    def crashed(exchange: Exchange, error: Exception, now: float) -> None:
        if exchange.owner is not MIRRORED:
            raise error

    dispatcher = Dispatcher(
        proxy, {**simulated, **upstreams}, lambda exchange, now: delivered.append(exchange), crashed
    )
    return dispatcher, delivered


def test_headers_are_removed_then_set_then_added_both_ways() -> None:
    edits = {"remove": ["a"], "set": {"B": "new"}, "add": {"C": ["1", "2"], "d": "3"}}
    proxy = proxy_with(
        {"backend_pool": "a", "request_headers": edits, "response_headers": edits},
        backend_pools={
            "a": {"backends": ["x"], "simulate": {"headers": {"A": "1", "b": "2", "E": "3"}}}
        },
    )
    dispatcher, delivered = dispatched(proxy)
    request = HttpRequest("GET", "/", Headers([("A", "1"), ("b", "2"), ("E", "3"), ("b", "4")]))
    dispatcher.open(request, None, 0.0)
    expected = [("E", "3"), ("B", "new"), ("C", "1"), ("C", "2"), ("d", "3")]
    response = delivered[0].response
    assert response is not None and list(response.headers or ()) == expected
    assert list(delivered[0].forward_headers) == expected
    only_add = {"backend_pool": "a", "request_headers": {"add": {"X": "1"}}}
    assert list(opened(only_add, "/", ("A", "1")).forward_headers) == [("A", "1"), ("X", "1")]
    nothing = opened({"respond": {}, "response_headers": {"remove": ["x"]}}).response
    assert nothing is not None and nothing.headers is None


def shares(split: dict[str, Any], requests: list[HttpRequest]) -> list[str]:
    proxy = proxy_with({"split": split})
    pools = [proxy.open(request, 0.0).pool for request in requests]
    return [pool.name for pool in pools if pool is not None]


def test_a_split_takes_turns_smoothly_by_weight() -> None:
    taken = shares({"pools": {"a": 5, "b": 1, "c": 1}}, [HttpRequest("GET", "/")] * 14)
    assert "".join(taken) == "aabacaa" * 2
    assert set(shares({"pools": {"a": 0, "b": 1}}, [HttpRequest("GET", "/")] * 9)) == {"b"}


def test_a_sticky_split_keeps_each_key_in_its_pool_and_the_shares_near() -> None:
    def ask(key: str) -> list[HttpRequest]:
        return [
            HttpRequest("GET", "/", Headers([("X-User", key)])),
            HttpRequest("GET", "/", cookies={"user": key}),
            HttpRequest("GET", f"/?x=1&user={key}"),
            HttpRequest("GET", "/", client_ip=key),
        ]

    kinds = ("header:x-User", "cookie:user", "query:user", "client_ip")
    for kind, request in zip(kinds, range(4), strict=True):
        asked = [ask(f"user-{index}")[request] for index in range(2000)]
        split = {"pools": {"a": 90, "b": 10, "c": 0}, "sticky": kind}
        taken = shares(split, asked)
        assert taken == shares(split, asked[::-1])[::-1]
        assert 150 < Counter(taken)["b"] < 250 and "c" not in taken
        # A larger share for b takes keys from a, and none goes the other way.
        grown = shares({"pools": {"a": 80, "b": 20}, "sticky": kind}, asked)
        assert all(now == "b" for before, now in zip(taken, grown, strict=True) if before == "b")


@pytest.mark.parametrize("kind", ["header:x", "cookie:x", "query:x", "client_ip"])
def test_requests_without_the_key_take_turns(kind: str) -> None:
    asked = [HttpRequest("GET", "/"), HttpRequest("GET", "/?y=1")] * 2
    assert shares({"pools": {"a": 1, "b": 1}, "sticky": kind}, asked) == ["a", "b", "a", "b"]


class Failing(Upstream):
    def start(self, exchange: Exchange, now: float) -> None:
        exchange.failed(CONNECT_FAILED, now, sent=False)


class Crashing(Upstream):
    def start(self, exchange: Exchange, now: float) -> None:
        raise RuntimeError("a bug")


class Asked(Upstream):
    """Answers, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []

    def start(self, exchange: Exchange, now: float) -> None:
        self.heard.append((exchange.forward_path, exchange.request.body))
        exchange.answered(HttpResponse(500), now)


@pytest.mark.parametrize("upstreams", [{}, {"b": Failing()}, {"b": Crashing()}])
def test_a_mirror_gets_a_copy_and_the_client_hears_nothing_of_it(
    upstreams: dict[str, Upstream],
) -> None:
    proxy = proxy_with({"backend_pool": "a", "mirror": "b", "rewrite": {"strip_prefix": "/x"}})
    dispatcher, delivered = dispatched(proxy, **upstreams)
    exchange = dispatcher.open(HttpRequest("GET", "/x/y"), "client", 0.0)
    assert delivered == [exchange]
    assert exchange.response is not None and exchange.response.status == 200
    assert proxy.pools["b"].backends[0].total == 1
    assert proxy.pools["b"].backends[0].in_flight == 0


def test_a_mirror_is_asked_for_what_the_other_is_asked_for() -> None:
    proxy = proxy_with({"backend_pool": "a", "mirror": "b", "rewrite": {"strip_prefix": "/x"}})
    mirror = Asked()
    dispatcher, _ = dispatched(proxy, b=mirror)
    exchange = dispatcher.open(HttpRequest("POST", "/x/y", body=b"all of it"), "client", 0.0)
    assert exchange.response is not None and exchange.response.status == 200
    assert mirror.heard == [("/y", b"all of it")]


def test_a_request_that_is_refused_is_not_mirrored() -> None:
    proxy = proxy_with(
        {"backend_pool": "a", "mirror": "b", "rate_limit": {"requests_per_second": 1}}
    )
    assert proxy.open(HttpRequest("GET", "/"), 0.0).mirror is not None
    assert proxy.open(HttpRequest("GET", "/"), 0.0).mirror is None


def test_what_no_route_matches_goes_to_the_default() -> None:
    proxy = proxy_with({"path": "/x", "methods": ["PUT"], "backend_pool": "a"}, default="b")
    exchange = proxy.open(HttpRequest("GET", "/x"), 0.0)
    assert exchange.pool is proxy.pools["b"]
    proxy = proxy_with(default={"respond": {"status": 418}})
    response = proxy.open(HttpRequest("GET", "/x"), 0.0).response
    assert response is not None and response.status == 418


def test_a_path_that_is_there_for_other_methods_is_answered_405() -> None:
    proxy = proxy_with(
        {"path": "/x", "methods": ["PUT", "POST"], "backend_pool": "a"},
        {"path_pattern": "/x/*", "methods": ["DELETE"], "backend_pool": "a"},
        {"path_pattern": "/x*", "methods": ["PATCH"], "host": "x.org", "backend_pool": "a"},
    )
    exchange = proxy.open(HttpRequest("GET", "/x"), 0.0)
    assert exchange.response is not None and exchange.response.headers is not None
    assert exchange.response.status == 405
    assert exchange.response.headers.get("allow") == "PUT, POST, DELETE"
    request = HttpRequest("GET", "/xy", Headers([("Host", "x.org")]))
    response = proxy.open(request, 0.0).response
    assert response is not None and response.status == 405
    response = proxy.open(HttpRequest("GET", "/y"), 0.0).response
    assert response is not None and response.status == 404


@pytest.mark.parametrize(
    ("route", "pointer", "message"),
    [
        ({}, "", "what is to be done?"),
        ({"backend_pool": "a", "respond": {}}, "", "only one of backend_pool, respond"),
        ({"backend_pool": "a", "path": "/", "path_regex": "/"}, "", "only one of path, path_regex"),
        ({"backend_pool": "d"}, "/backend_pool", 'no pool named "d"'),
        ({"split": {"pools": {"d": 1}}}, "/split/pools/d", 'no pool named "d"'),
        ({"backend_pool": "a", "mirror": "d"}, "/mirror", 'no pool named "d"'),
        ({"respond": {}, "mirror": "a"}, "/mirror", "there is no request with respond"),
        ({"split": {"pools": {"a": 0}}}, "/split/pools", "a weight above 0"),
        ({"backend_pool": "a", "path_regex": "/("}, "/path_regex", "not a regular expression"),
        ({"backend_pool": "a", "path": "/a/../../b"}, "/path", "climbs above the root"),
        ({"backend_pool": "a", "path_pattern": "/a%2fb/*"}, "/path_pattern", "encoded_slashes"),
        ({"backend_pool": "a", "client_ip": "10.0.0.1/8"}, "/client_ip", "host bits set"),
        ({"backend_pool": "a", "host": "a.org:80"}, "/host", "without a port"),
        ({"backend_pool": "a", "methods": ["GET", "TRACE"]}, "/methods/1", "never passed on"),
        ({"backend_pool": "a", "headers": {"x": {}}}, "/headers/x", "exactly one of"),
        ({"backend_pool": "a", "headers": {"x y": "1"}}, "/headers/x y", "a header's name"),
        ({"redirect": {"location": "{path"}}, "/redirect/location", "a brace"),
        ({"redirect": {"location": "{}"}}, "/redirect/location", "a brace"),
        ({"redirect": {"location": "{pth}"}}, "/redirect/location", 'did you mean "path"?'),
        ({"redirect": {"location": "/", "status": 304}}, "/redirect/status", "304 is not one of"),
        (
            {"backend_pool": "a", "rewrite": {"strip_prefix": "/a", "substitution": "b"}},
            "/rewrite",
            "give only one of strip_prefix, replace_prefix, substitution",
        ),
        ({"backend_pool": "a", "rewrite": {"regex": "a"}}, "/rewrite", 'needs a "substitution"'),
        ({"backend_pool": "a", "rewrite": {"substitution": "a"}}, "/rewrite", 'needs a "regex"'),
        (
            {"backend_pool": "a", "path_regex": "/(?P<id>.)", "rewrite": {"substitution": "{di}"}},
            "/rewrite/substitution",
            "no {di} here",
        ),
        ({"backend_pool": "a", "rewrite": {"host": "{id}"}}, "/rewrite/host", "no {id} here"),
        (
            {"backend_pool": "a", "request_headers": {"set": {"Host": "x"}}},
            "/request_headers/set",
            'changed by "rewrite"',
        ),
        (
            {"backend_pool": "a", "response_headers": {"remove": ["Content-Length"]}},
            "/response_headers/remove",
            "can't be changed by a route",
        ),
        (
            {"respond": {"headers": {"transfer-encoding": "chunked"}}},
            "/respond/headers",
            "can't be set here",
        ),
        (
            {"backend_pool": "a", "response_headers": {"set": {"X": "a\r\nb"}}},
            "/response_headers/set/X",
            "on one line",
        ),
        (
            {"backend_pool": "a", "response_headers": {"set": {"X": "5 €"}}},
            "/response_headers/set/X",
            "in Latin-1",
        ),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(
    route: dict[str, Any], pointer: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        proxy_with(route)
    assert [problem.pointer for problem in caught.value.problems][:1] == ["/routes/0" + pointer]
    assert message in caught.value.problems[0].message


def test_a_pool_that_can_be_no_path_needs_routes() -> None:
    with pytest.raises(ConfigError, match="no request gets to"):
        config_from({"backend_pools": {"..": {"backends": ["a"]}}})
    config = config_from({"backend_pools": {"a b/ü": {"backends": ["a"]}}})
    proxy = Proxy(config, Random(0))
    assert proxy.open(HttpRequest("GET", "/a%20b/%c3%bc/x"), 0.0).backend is not None
