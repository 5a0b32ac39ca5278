"""Lanes: requests of one kind, decided as one, and what makes each of them step aside."""

from __future__ import annotations

from random import Random
from typing import Any

from l7proxy.core import Headers, HttpRequest, HttpResponse, Proxy, config_from
from l7proxy.core.lane import Lane


def proxy_with(**pool: Any) -> Proxy:
    config = {"backend_pools": {"p": {"backends": ["a:1", "b:1"], **pool}}}
    return Proxy(config_from(config), Random(0), secrets=lambda kind, name: b"k" * 32)


def answered(proxy: Proxy, cookie: str = "") -> Any:
    headers = Headers((("Cookie", cookie),)) if cookie else Headers()
    exchange = proxy.open(HttpRequest("GET", "/p/x", headers, client_ip="c"), 0.0)
    exchange.answered(HttpResponse(200), 0.0)
    return exchange


def test_a_lane_takes_turns_and_counts_as_exchanges_do() -> None:
    proxy = proxy_with()
    lane = proxy.lane(answered(proxy))
    assert lane is not None
    names = [backend.name for _ in range(3) if (backend := lane.take(0.0))]
    assert names == ["b", "a", "b"]
    assert [backend.total for backend in proxy.pools["p"].backends] == [2, 2]


def test_with_nobody_eligible_a_lane_takes_nothing() -> None:
    proxy = proxy_with()
    lane = proxy.lane(answered(proxy))
    pool = proxy.pools["p"]
    for backend in pool.backends:
        pool.set_state(backend, "maint", 0.0)
    assert lane is not None and lane.take(0.0) is None
    assert sum(backend.total for backend in pool.backends) == 1


def test_with_nobody_eligible_a_limit_is_not_used_up() -> None:
    proxy = proxy_with(rate_limit={"requests_per_second": 1, "burst": 2})
    lane = proxy.lane(answered(proxy))
    pool = proxy.pools["p"]
    for backend in pool.backends:
        pool.set_state(backend, "maint", 0.0)
    assert lane is not None and lane.take(0.0) is None
    for backend in pool.backends:
        pool.set_state(backend, "up", 0.0)
    assert lane.take(0.0) is not None
    assert lane.take(0.0) is None


def test_a_client_with_a_sealed_cookie_stays_until_its_backend_is_out() -> None:
    proxy = proxy_with(sticky={"cookie": {"key_env": "KEY"}})
    cookie = answered(proxy).set_cookie.partition(";")[0]
    lane = proxy.lane(answered(proxy, cookie))
    assert lane is not None
    assert [lane.take(0.0), lane.take(0.0)] == [proxy.pools["p"].by_name["a"]] * 2
    proxy.pools["p"].set_state(proxy.pools["p"].by_name["a"], "drain", 0.0)
    assert lane.take(0.0) is None


def test_a_learned_session_has_its_lane_until_it_is_forgotten() -> None:
    proxy = proxy_with(sticky={"learn": {"ttl": 10}})
    answered(proxy, "session_id=s")
    lane = proxy.lane(answered(proxy, "session_id=s"))
    assert lane is not None
    assert lane.take(1.0) is proxy.pools["p"].by_name["a"]
    assert lane.take(100.0) is None


def test_where_answers_matter_or_the_client_must_be_told_there_is_no_lane() -> None:
    watched = proxy_with(breaker={})
    assert watched.lane(answered(watched)) is None
    sticky = proxy_with(sticky={"learn": {}})
    assert sticky.lane(answered(sticky)) is None
    plain = proxy_with()
    lost = plain.open(HttpRequest("GET", "/nowhere"), 0.0)
    assert plain.lane(lost) is None


def test_the_lanes_of_a_kind_are_found_by_route_with_the_path_that_it_rewrites() -> None:
    routes = [
        {"path_pattern": "/plain/*", "backend_pool": "p"},
        {"path_pattern": "/strip/*", "backend_pool": "p", "rewrite": {"strip_prefix": "/strip"}},
        {
            "path_pattern": "/spoil/*",
            "backend_pool": "p",
            "rewrite": {"regex": "^/", "substitution": "."},
        },
        {"path_pattern": "/unknown/*", "backend_pool": "p"},
    ]
    pools = {"p": {"backends": ["a:1"]}}
    proxy = Proxy(config_from({"backend_pools": pools, "routes": routes}), Random(0))
    lanes = proxy.lanes(None)
    plain, strip, spoil, _ = sorted(proxy.router.routes, key=lambda route: route.index)
    for route in (plain, strip, spoil):
        lanes.add(route, Lane(lambda: None))
    found = {target: lanes.find(target) for target in ("/plain/x", "/strip/x")}
    assert {target: way and (way[1], way[2]) for target, way in found.items()} == {
        "/plain/x": (plain, None),
        "/strip/x": (strip, "/x"),
    }
    # What its route makes of the first is no path.
    others = "/spoil/x", "/unknown/x", "/nowhere", "/plain/%2e", "*"
    assert [lanes.find(target) for target in others] == [None] * len(others)
