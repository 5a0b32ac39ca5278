"""Rate limits: what is admitted, what is refused and told, and what is remembered of whom."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core import ConfigError, Exchange, Headers, HttpRequest, Proxy, config_from
from l7proxy.core.policies.rate_limit import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable

POOLS = {"api": {"backends": ["api-1:80"]}, "web": {"backends": ["web-1:80"]}}


def proxy_with(**members: Any) -> Proxy:
    return Proxy(config_from({"backend_pools": POOLS, **members}), Random(0))


def ask(
    proxy: Proxy, now: float = 0.0, client: str = "10.0.0.1", path: str = "/api", **headers: str
) -> Exchange:
    fields = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    return proxy.open(HttpRequest("GET", path, fields, client_ip=client), now)


def admitted(exchange: Exchange) -> bool:
    return exchange.local_reply is None


def admit(buckets: Buckets, key: str, now: float) -> bool:
    if buckets.wait(key, now) > 0:
        return False
    buckets.spend(key, now)
    return True


rates = st.sampled_from([0.1, 0.3, 1, 3, 7.5, 10, 1000])
sizes = st.integers(1, 20)
gaps = st.lists(st.floats(0, 5, allow_subnormal=False), min_size=1, max_size=120)


def assert_within_the_law(times: list[float], rate: float, size: int) -> None:
    """In no window are more admitted than the burst and what the rate adds during it."""
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            window = times[last] - start
            assert last - first + 1 <= size + rate * window + 1e-5, (start, times[last])


# The law.


@given(rate=rates, size=sizes, gaps=gaps)
def test_no_window_admits_more_than_the_burst_and_the_rate(
    rate: float, size: int, gaps: list[float]
) -> None:
    buckets, now, times = Buckets(rate, size, 10), 0.0, []
    for gap in gaps:
        now += gap / rate
        if admit(buckets, "k", now):
            times.append(now)
    assert_within_the_law(times, rate, size)


@given(
    rate=rates,
    size=st.integers(1, 4),
    max_keys=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 2)), max_size=150),
)
def test_the_law_holds_for_each_key_when_there_are_more_keys_than_buckets(
    rate: float, size: int, max_keys: int, steps: list[tuple[str, float]]
) -> None:
    buckets, now = Buckets(rate, size, max_keys), 0.0
    times: dict[str, list[float]] = {}
    for key, gap in steps:
        now += gap / rate
        if admit(buckets, key, now):
            times.setdefault(key, []).append(now)
        assert len(buckets) <= max_keys
    for each in times.values():
        assert_within_the_law(each, rate, size)


@given(rate=rates, size=sizes, gaps=gaps, start=st.floats(0, 1e6))
def test_a_client_below_its_rate_is_never_refused(
    rate: float, size: int, gaps: list[float], start: float
) -> None:
    buckets, now = Buckets(rate, size, 10), start
    for gap in gaps:
        assert admit(buckets, "k", now)
        now += (1.000001 + gap) / rate


@pytest.mark.parametrize("rate", [1, 3, 7, 10, 1000])
def test_a_client_at_exactly_its_rate_is_never_refused(rate: int) -> None:
    buckets = Buckets(rate, 1, 10)
    assert all(admit(buckets, "k", n / rate) for n in range(20_000))


@given(rate=rates, size=sizes, gaps=gaps)
def test_it_decides_as_a_counted_token_bucket_does(
    rate: float, size: int, gaps: list[float]
) -> None:
    buckets, now, tokens = Buckets(rate, size, 10), 0.0, float(size)
    for gap in gaps:
        now += gap / rate
        tokens = min(size, tokens + gap)
        if abs(tokens - round(tokens)) < 1e-4:  # Too close for two ways of rounding to agree.
            return
        enough = tokens >= 1
        assert admit(buckets, "k", now) is enough
        tokens -= enough


# What is remembered.


def test_keys_that_come_once_and_go_make_room() -> None:
    buckets = Buckets(rate=10, size=5, max_keys=1_000_000)
    for n in range(100_000):
        assert admit(buckets, f"key-{n}", now=n / 100)
    # Each is full again after 0.1 s, in which ten more come.
    assert len(buckets) < 30


def test_memory_is_bounded_when_nothing_may_be_forgotten() -> None:
    tracemalloc.start()
    try:
        buckets = Buckets(rate=0.001, size=2, max_keys=1000)
        given = sum(admit(buckets, f"key-{n}", now=0) for n in range(50_000))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(buckets) == 1000
    assert given == 1000 + 2
    assert held < 300_000, "keys and times included"


def test_newcomers_without_a_bucket_share_one_until_there_is_room() -> None:
    buckets = Buckets(rate=1, size=1, max_keys=1)
    assert admit(buckets, "a", 0)
    assert admit(buckets, "b", 0)
    assert not admit(buckets, "c", 0.5)
    # By now a's bucket is full, so d may have its place; it starts as b left the shared one.
    assert admit(buckets, "d", 1)
    assert not admit(buckets, "d", 1.5)


def test_long_keys_are_remembered_by_their_digest() -> None:
    proxy = proxy_with(rate_limits={"per_ip": {"requests_per_second": 1, "burst": 1}})
    long = "9" * 5000
    assert admitted(ask(proxy, client=long + "a"))
    assert admitted(ask(proxy, client=long + "b"))
    assert not admitted(ask(proxy, client=long + "a"))
    assert proxy.limits is not None
    assert max(map(len, proxy.limits.limits[0].buckets.full_at)) <= 64


# Whom a limit is for.


def test_each_client_address_has_its_own_bucket() -> None:
    proxy = proxy_with(rate_limits={"per_ip": {"requests_per_second": 1, "burst": 2}})
    local_replies = [admitted(ask(proxy, client=client)) for client in "aaabbb"]
    assert local_replies == [True, True, False, True, True, False]


def test_an_api_key_has_the_limit_of_the_tier_that_lists_it() -> None:
    proxy = proxy_with(
        rate_limits={
            "per_api_key": {
                "free_tier": {"requests_per_second": 1, "burst": 1},
                "paid": {"requests_per_second": 1, "burst": 3, "keys": ["gold", "silver"]},
            }
        }
    )
    keys = ["gold", "gold", "gold", "gold", "silver", "other", "other", "another"]
    local_replies = [admitted(ask(proxy, X_API_Key=key)) for key in keys]
    assert local_replies == [True, True, True, False, True, True, False, True]
    assert all(admitted(ask(proxy)) for _ in range(5)), "no key, no limit per key"


Lines = list[tuple[str, str]]


@pytest.mark.parametrize("more", [
    lambda number: [("X-API-Key", "gold"), ("X-API-Key", str(number))],
    lambda number: [("X-API-Key", str(number)), ("x-api-key", "gold")],
    lambda number: [("X_API_Key", "gold")],
    lambda number: [("X.API-Key", "gold")],
    lambda number: [("X-API_Key", str(number)), ("X_API-KEY", "gold"), ("X-A", "b")],
    lambda number: [("X-API-Key", "gold")] * 3,
])  # fmt: skip
@pytest.mark.parametrize("limits", [
    {"rate_limits": {"per_api_key": {
        "all": {"requests_per_second": 1, "burst": 1000},
        "paid": {"requests_per_second": 1, "burst": 5, "keys": ["gold"]}}}},
    {"rate_limits": {"api_key_header": "x_api_key", "per_api_key": {
        "all": {"requests_per_second": 1, "burst": 5}}}},
    {"routes": [{"path_pattern": "/*", "backend_pool": "api", "rate_limit": {
        "requests_per_second": 1, "burst": 5, "per": "header:X-API-Key"}}]},
])  # fmt: skip
def test_a_key_counts_on_whichever_line_and_however_its_field_is_spelled(
    more: Callable[[int], Lines], limits: dict[str, Any]
) -> None:
    proxy = proxy_with(**limits)
    asked = [HttpRequest("GET", "/api", Headers(more(number))) for number in range(20)]
    assert [admitted(proxy.open(request, 0.0)) for request in asked] == [True] * 5 + [False] * 15


def test_a_host_is_the_same_however_it_is_spelled() -> None:
    limit = {"requests_per_second": 1, "burst": 5, "per": "header:Host"}
    proxy = proxy_with(
        routes=[{"path_pattern": "/*", "backend_pool": "api", "rate_limit": limit}],
        paths={"encoded_slashes": "keep"},
    )
    spelled = [
        "shop.example",
        "SHOP.example",
        "shop.example.",
        "shop.example:8080",
        "Shop.example:",
    ]
    found = [admitted(ask(proxy, Host=host)) for host in spelled]
    found.append(admitted(ask(proxy, path="http://shop.example/%2F", Host="other.example")))
    assert found == [True] * 5 + [False]
    assert admitted(ask(proxy, Host="other.example"))
    assert all(admitted(ask(proxy)) for _ in range(6))


def test_a_key_in_authorization_is_the_same_whatever_the_case_of_its_scheme() -> None:
    tier = {"requests_per_second": 1, "burst": 2, "keys": ["Bearer gold"]}
    limits = {"api_key_header": "Authorization", "per_api_key": {"paid": tier}}
    proxy = proxy_with(rate_limits=limits)
    spelled = ["Bearer gold", "BEARER gold", "bearer   gold", "Bearer GOLD", "gold", "Bearer"]
    found = [admitted(ask(proxy, Authorization=key)) for key in spelled]
    assert found == [True, True, False, True, True, True]


def test_where_every_tier_lists_its_keys_the_others_have_no_limit_of_their_own() -> None:
    tier = {"requests_per_second": 1, "burst": 1, "keys": ["gold"]}
    proxy = proxy_with(rate_limits={"per_api_key": {"paid": tier}})
    assert all(admitted(ask(proxy, X_API_Key="other")) for _ in range(5))
    assert [admitted(ask(proxy, X_API_Key="gold")) for _ in range(2)] == [True, False]


def test_a_gateway_in_front_may_name_the_tier() -> None:
    proxy = proxy_with(
        rate_limits={
            "api_key_header": "Authorization",
            "api_tier_header": "X-Tier",
            "per_api_key": {
                "free": {"requests_per_second": 1, "burst": 1},
                "paid": {"requests_per_second": 1, "burst": 2},
            },
        }
    )
    paid = [admitted(ask(proxy, Authorization="k", X_Tier="paid")) for _ in range(3)]
    none = [admitted(ask(proxy, Authorization="l", X_Tier="no such tier")) for _ in range(2)]
    free = [admitted(ask(proxy, Authorization="m")) for _ in range(2)]
    assert (paid, none, free) == ([True, True, False], [True, False], [True, False])


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        ("everyone", [True, False, False, False]),
        ("client_ip", [True, True, False, False]),
        ("header:X-Team", [True, False, True, True]),
    ],
)
def test_a_route_has_a_limit_for_everyone_or_for_each(per: str, expected: list[bool]) -> None:
    limit = {"requests_per_second": 1, "burst": 1, "per": per}
    proxy = proxy_with(
        routes=[
            {"path_pattern": "/api/*", "backend_pool": "api", "rate_limit": limit},
            {"path_pattern": "/*", "backend_pool": "api"},
        ]
    )
    local_replies = [
        admitted(ask(proxy, client="a", x_team="red")),
        admitted(ask(proxy, client="b", x_team="red")),
        admitted(ask(proxy, client="a", x_team="blue")),
        admitted(ask(proxy, client="b")),
    ]
    assert local_replies == expected
    assert admitted(ask(proxy, path="/else")), "another route has no limit"


def test_a_pools_limit_holds_whichever_route_leads_to_it() -> None:
    limited = {**POOLS["api"], "rate_limit": {"requests_per_second": 1, "burst": 2}}
    proxy = Proxy(
        config_from(
            {
                "backend_pools": {"api": limited},
                "routes": [
                    {"path": "/a", "backend_pool": "api"},
                    {"path": "/b", "backend_pool": "api"},
                ],
            }
        ),
        Random(0),
    )
    assert [admitted(ask(proxy, path=path)) for path in ("/a", "/b", "/a")] == [True, True, False]


def test_a_request_that_one_limit_refuses_is_counted_by_none() -> None:
    proxy = proxy_with(
        rate_limits={"per_ip": {"requests_per_second": 1, "burst": 5}},
        routes=[
            {
                "path_pattern": "/api/*",
                "backend_pool": "api",
                "rate_limit": {"requests_per_second": 1, "burst": 1},
            },
            {"path_pattern": "/*", "backend_pool": "web"},
        ],
    )
    assert [admitted(ask(proxy)) for _ in range(9)] == [True] + [False] * 8
    assert [admitted(ask(proxy, path="/web")) for _ in range(5)] == [True] * 4 + [False]


def test_what_has_no_route_is_not_counted() -> None:
    proxy = proxy_with(rate_limits={"per_ip": {"requests_per_second": 1, "burst": 1}})
    assert [ask(proxy, path="/nowhere").local_reply.name for _ in range(3)] == ["no_route"] * 3  # type: ignore[union-attr]
    assert admitted(ask(proxy))


def test_a_refused_request_takes_no_place_on_a_backend() -> None:
    proxy = proxy_with(rate_limits={"per_ip": {"requests_per_second": 1, "burst": 1}})
    exchanges = [ask(proxy) for _ in range(3)]
    backend = proxy.pools["api"].backends[0]
    assert (backend.in_flight, backend.total) == (1, 1)
    assert [exchange.backend for exchange in exchanges] == [backend, None, None]


def test_another_configuration_goes_on_with_the_buckets() -> None:
    slow = {"requests_per_second": 1, "burst": 2}
    before = proxy_with(rate_limits={"per_ip": slow, "per_api_key": {"free": {**slow, "burst": 1}}})
    for _ in range(2):
        ask(before)
    ask(before, client="b", X_API_Key="k")
    after = proxy_with(
        rate_limits={"per_ip": {**slow, "max_keys": 5}, "per_api_key": {"free": slow}}
    )
    after.handover_from(before, 0.0)
    assert not admitted(ask(after))
    assert admitted(ask(after, client="b", X_API_Key="k")), "another burst is another limit"
    after.handover_from(proxy_with(), 0.0)
    proxy_with().handover_from(before, 0.0)
    new = proxy_with(rate_limits={"per_api_key": {"paid": slow}})
    new.handover_from(before, 0.0)
    assert admitted(ask(new, X_API_Key="k"))


ONE = {"requests_per_second": 0.1, "burst": 1}


def with_limited_routes(*routes: dict[str, Any]) -> Proxy:
    return proxy_with(routes=[{"backend_pool": "api", "rate_limit": ONE, **r} for r in routes])


def used_up_by(first: Proxy, second: Proxy, *askers: dict[str, Any]) -> list[bool]:
    """Who is refused by the second, which took over when each had asked the first once."""
    for asker in askers:
        assert admitted(ask(first, **asker))
    second.handover_from(first, 0.0)
    return [not admitted(ask(second, **asker)) for asker in askers]


@pytest.mark.parametrize(("one", "other", "askers"), [
    ({"host": "a.org"}, {"host": "b.org"}, [{"Host": "a.org"}, {"Host": "b.org"}]),
    ({"headers": {"X": "1"}}, {"headers": {"X": "2"}}, [{"X": "1"}, {"X": "2"}]),
    ({"name": "first", "headers": {"X": "1"}}, {"headers": {"X": "2"}}, [{"X": "1"}, {"X": "2"}]),
])  # fmt: skip
def test_routes_with_the_same_pattern_go_on_each_with_its_own_buckets(
    one: dict[str, Any], other: dict[str, Any], askers: list[dict[str, Any]]
) -> None:
    before = with_limited_routes(one, other)
    assert used_up_by(before, with_limited_routes(other, one), *askers) == [True, True]
    (fresh,) = askers[:1]
    before, after = with_limited_routes(one, other), with_limited_routes(one, other)
    assert used_up_by(before, after, fresh) == [True]
    assert admitted(ask(after, **askers[1])), "the other one had asked nothing"


def test_a_route_that_keeps_its_name_keeps_its_buckets_whatever_it_asks_for() -> None:
    before = with_limited_routes({"name": "shop", "path_pattern": "/*"})
    after = with_limited_routes({"name": "shop", "path_pattern": "/api/*"})
    assert used_up_by(before, after, {}) == [True]
    renamed = with_limited_routes({"name": "store", "path_pattern": "/api/*"})
    assert used_up_by(after, renamed) == []
    assert admitted(ask(renamed))


def test_where_two_routes_can_not_be_told_apart_each_starts_with_full_buckets() -> None:
    same = [{"name": "x", "headers": {"X": "1"}}, {"name": "x", "headers": {"X": "2"}}]
    before, after = with_limited_routes(*same), with_limited_routes(*same)
    assert used_up_by(before, after, {"X": "1"}, {"X": "2"}) == [False, False]
    alone = with_limited_routes(same[0])
    assert used_up_by(after, alone) == []
    assert admitted(ask(alone, X="1"))


# What the client is told.


def told(exchange: Exchange) -> dict[str, str]:
    assert exchange.response is not None and exchange.response.headers is not None
    return dict(exchange.response.headers)


def test_a_refusal_is_a_429_that_says_when_to_come_back() -> None:
    proxy = proxy_with(rate_limits={"per_ip": {"requests_per_second": 0.5, "burst": 3}})
    for _ in range(3):
        ask(proxy, now=100)
    refused = ask(proxy, now=100.5)
    assert refused.response is not None and refused.response.status == 429
    assert (
        refused.local_reply is not None and refused.local_reply.text == "too many requests: per_ip"
    )
    assert told(refused) == {
        "Retry-After": "2",
        "X-RateLimit-Limit": "3",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "6",
    }


@given(rate=rates, size=st.integers(1, 5), gaps=gaps)
def test_who_comes_back_when_told_is_admitted(rate: float, size: int, gaps: list[float]) -> None:
    limit = {"requests_per_second": rate, "burst": size}
    proxy, now = proxy_with(rate_limits={"per_ip": limit}), 0.0
    for gap in gaps:
        now += gap / rate
        exchange = ask(proxy, now)
        if not admitted(exchange):
            seconds = int(told(exchange)["Retry-After"])
            assert seconds >= 1
            now += seconds
            assert admitted(ask(proxy, now))


def test_of_several_limits_the_one_to_wait_longest_for_is_named() -> None:
    limit = {"requests_per_second": 0.1, "burst": 1}
    proxy = proxy_with(
        rate_limits={
            "per_ip": {"requests_per_second": 1, "burst": 1},
            "per_api_key": {"free_tier": limit},
        }
    )
    ask(proxy, X_API_Key="k")
    refused = ask(proxy, X_API_Key="k")
    assert refused.local_reply is not None
    assert refused.local_reply.text == "too many requests: per_api_key free_tier"
    assert told(refused)["Retry-After"] == "10"


def test_the_snapshot_names_every_limit_in_order() -> None:
    limit = {"requests_per_second": 2.5}
    proxy = proxy_with(
        rate_limits={"per_ip": limit, "per_api_key": {"free": {**limit, "burst": 1}}},
        routes=[{"path_pattern": "/api/*", "backend_pool": "api", "rate_limit": limit}],
    )
    for _ in range(2):
        ask(proxy, X_API_Key="k")
    assert proxy.limits is not None
    shown = proxy.limits.snapshot()
    assert [one["limit"] for one in shown] == ["per_ip", "per_api_key free", "route /api/*"]
    routes = [{"host": "a.org", "path": "/x"}, {"name": "late", "path": "/x"}]
    limits = with_limited_routes(*routes).limits
    assert limits is not None
    assert [limit.name for limit in limits.limits] == ["route a.org /x", "route late"]
    assert list(shown[1].items()) == [
        ("limit", "per_api_key free"),
        ("requests_per_second", 2.5),
        ("burst", 1),
        ("keys", 1),
        ("admitted", 1),
        ("refused", 1),
    ]
    assert shown[0]["burst"] == 2, "a second's worth"


# What may be configured.


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"per_ip": {}}, '/rate_limits/per_ip: "requests_per_second" is missing'),
        (
            {"per_ip": {"requests_per_second": 0}},
            "/rate_limits/per_ip/requests_per_second: must be at least 1e-06, not 0",
        ),
        (
            {"per_ip": {"requests_per_second": 1, "burst": 0}},
            "/rate_limits/per_ip/burst: must be at least 1, not 0",
        ),
        (
            {
                "per_api_key": {
                    "a": {"requests_per_second": 1, "keys": ["k1", "k2"]},
                    "b": {"requests_per_second": 1, "keys": ["k3", "k2"]},
                }
            },
            '/rate_limits/per_api_key/b/keys/1: this key is in the tier "a" already',
        ),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limits: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        proxy_with(rate_limits=limits)
    assert str(refused.value) == problem


def test_without_limits_there_is_nothing_to_consult() -> None:
    assert proxy_with().limits is None
    assert proxy_with(rate_limits={"per_ip": {"requests_per_second": 1}}).limits is not None


def test_refusals_are_spread_over_time_not_bunched() -> None:
    buckets = Buckets(rate=5, size=2, max_keys=10)
    times = [n / 100 for n in range(1000) if admit(buckets, "k", n / 100)]
    assert all(abs(later - earlier - 0.2) < 1e-9 for earlier, later in pairwise(times[2:]))


def test_limits_that_do_not_apply_are_not_consulted() -> None:
    proxy = proxy_with(rate_limits={"per_api_key": {"free": {"requests_per_second": 1}}})
    assert proxy.limits is not None
    request, route = HttpRequest("GET", "/api"), proxy.router.routes[0]
    assert proxy.limits.consulted(request, route, None, 0.0) == []
    assert proxy.limits.consulted(request, route, "api", 0.0) == []
