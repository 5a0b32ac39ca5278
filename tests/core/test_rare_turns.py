"""Turns that are seldom taken, each of which must lead somewhere."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import ConfigError, HttpRequest, HttpResponse, Proxy, config_from
from l7proxy.core.config.address import split_listen
from l7proxy.core.config.model import BackendConfig, Config, PoolConfig
from l7proxy.core.config.spec import Either, Flag, ListOf, Record, Text, field
from l7proxy.core.exchange import ENDED
from l7proxy.core.pool import Pool
from l7proxy.core.rate_limit import RateLimits
from l7proxy.core.routing import explain
from l7proxy.core.selectors import Selector
from l7proxy.core.selectors.draw import WeightedDraw
from l7proxy.core.selectors.ring_hash import chain_of_points
from l7proxy.core.target import parse_target
from l7proxy.core.timers import Timers
from l7proxy.core.verdict import BAD_REQUEST


def pool_with(*backends: Any, **settings: Any) -> Pool:
    config = config_from({"backends": list(backends), **settings})
    return Proxy(config, Random(0)).pools["default"]


def refusal_of(config: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        config_from(config)
    return str(caught.value)


def test_a_maglev_table_of_no_prime_size_is_refused() -> None:
    said = refusal_of({"backends": ["a:1"], "algorithm": "maglev", "options": {"table_size": 10}})
    assert "prime" in said


def test_a_listener_without_port_is_refused() -> None:
    said = refusal_of({"backends": ["a:1"], "server": {"listen": ["nowhere"]}})
    assert "must be host:port" in said


def test_a_good_listener_is_kept_as_written() -> None:
    config = config_from({"backends": ["a:1"], "server": {"listen": ["127.0.0.1:80"]}})
    assert config.server.listen == ("127.0.0.1:80",)
    assert split_listen("unix:/run/l7proxy.sock") == ("/run/l7proxy.sock", -1)


def test_a_choice_within_a_choice_is_found() -> None:
    spec = ListOf(Either(Either(Text(), Flag()), ListOf(Text())))
    assert spec.item.accepts(True) and not spec.item.accepts(5)


def test_a_record_without_words_has_a_schema_all_the_same() -> None:
    class Silent(Record):
        name: str = field(Text(), "its name", default="")

    definitions: dict[str, Any] = {}
    Silent.schema(definitions)
    assert "description" not in definitions["Silent"] and "required" not in definitions["Silent"]
    assert PoolConfig.schema(definitions) == PoolConfig.schema(definitions)
    with pytest.raises(AttributeError, match="has no colour"):
        _ = Silent().colour  # type: ignore[attr-defined]


def test_a_request_that_can_not_be_written_is_refused_and_blames_nobody() -> None:
    proxy = Proxy(
        config_from({"backend_pools": {"p": {"backends": ["a:1"], "breaker": {}}}}), Random(0)
    )
    exchange = proxy.open(HttpRequest("GET", "/p"), 0.0)
    exchange.unsendable(BAD_REQUEST, 0.0)
    assert exchange.state is ENDED and exchange.backend is None
    exchange.unsendable(BAD_REQUEST, 0.0)
    assert proxy.pools["p"].backends[0].in_flight == proxy.pools["p"].backends[0].failures == 0


def test_limits_that_do_not_apply_are_not_consulted() -> None:
    limits = {"per_api_key": {"free": {"requests_per_second": 1, "burst": 1}}}
    config = config_from({"backend_pools": {"p": {"backends": ["a:1"]}}, "rate_limits": limits})
    proxy = Proxy(config, Random(0))
    assert isinstance(proxy.limits, RateLimits)
    request = HttpRequest("GET", "/p")
    assert proxy.limits.consulted(request, proxy.router.routes[0], None, 0.0) == []
    assert proxy.limits.consulted(request, proxy.router.routes[0], "p", 0.0) == []


def test_a_route_for_an_exact_host_is_explained() -> None:
    routes = [
        {"path_pattern": "/*", "host": "a.example", "backend_pool": "p"},
        {"path_pattern": "/*", "host": "*.example", "backend_pool": "p"},
    ]
    pools = {"p": {"backends": ["x:1"]}}
    router = Proxy(config_from({"backend_pools": pools, "routes": routes}), Random(0)).router
    request = HttpRequest("GET", "http://a.example/x")
    found = explain.explain(router, request, parse_target(request))
    assert found.winner is router.routes[0]


def test_a_selector_that_defines_only_pick_takes_turns_by_it() -> None:
    class Last(Selector):
        def pick(self, request: Any = None, avoid: Any = ()) -> Any:
            return self.eligible[-1]

    pool = pool_with("a:1", "b:1")
    last = Last(pool.backends, {}, Random(0))
    assert last.turn() is pool.backends[-1]
    with pytest.raises(ConfigError):
        Last(pool.backends, {"speed": 9}, Random(0))


def test_bounded_load_counts_only_who_may_be_picked() -> None:
    pool = pool_with("a:1", "b:1", algorithm="bounded-load")
    backend = pool.backends[0]
    pool.acquire(backend, 0.0)
    pool.set_state(backend, "drain", 0.0)
    pool.acquire(backend, 0.0)
    pool.release(backend, 0.0)
    pool.release(backend, 0.0)
    assert pool.selector.pick(HttpRequest("GET", "/")) is pool.backends[1]


def test_a_draw_gives_everybody_a_chance() -> None:
    pool = pool_with(*(f"{name}:1" for name in "abcdefg"))
    draw = WeightedDraw(Random(0))
    for backend in pool.backends:
        backend.weight = backend.index + 1
        draw.add(backend)
    assert {draw.one() for _ in range(400)} == set(pool.backends)


def test_a_unix_socket_has_its_points_on_the_ring() -> None:
    assert chain_of_points("unix:/run/a.sock", 3) != chain_of_points("unix:/run/b.sock", 3)
    assert chain_of_points("a", 3) != chain_of_points("a:80", 3)


def test_a_rotation_that_was_replayed_goes_on_from_where_it_was() -> None:
    pool = pool_with({"address": "a:1", "weight": 2}, "b:1", "c:1", {"address": "d:1", "weight": 2})
    names = [pool.selector.turn().name for _ in range(9)]  # type: ignore[union-attr]
    assert names[:6] == [*names[6:9], *names[3:6]]
    pool.set_state(pool.by_name["c"], "maint", 0.0)
    after = [pool.selector.turn().name for _ in range(5)]  # type: ignore[union-attr]
    assert sorted(after) == ["a", "a", "b", "d", "d"]


def test_a_backend_config_may_be_changed_in_part() -> None:
    backend = BackendConfig(address="a:1")
    assert backend.but(weight=3) == BackendConfig(address="a:1", weight=3)
    assert isinstance(config_from({"backends": ["a:1"]}), Config)


def test_of_several_lanes_the_one_that_is_due_first_runs_first() -> None:
    ran: list[str] = []
    timers = Timers()
    timers.schedule(2.0, lambda due: ran.append("heap"))
    config = {"backends": ["a:1"]}
    proxy = Proxy(config_from(config), Random(0), timers)
    for at in (0.0, 1.0):
        exchange = proxy.open(HttpRequest("GET", "/"), at)
        exchange.under_way(at)
        exchange.answered(HttpResponse(200), at)
    timers.advance(100.0)
    assert ran == ["heap"]
