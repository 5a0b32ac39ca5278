"""What brings exchanges on their way, one after the other."""

from __future__ import annotations

from random import Random

from l7proxy.core import Exchange, HttpRequest, Proxy, config_from
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.simulated import Simulated

MANY = 2000
"""More than there can be calls within calls."""


def test_answers_whose_clients_ask_again_at_once_are_given_one_after_the_other() -> None:
    backends = [{"address": "a:1", "max_connections": 1, "simulate": {"latency": 10}}]
    queue = {"size": 2 * MANY, "timeout": 1}
    proxy = Proxy(config_from({"backends": backends, "queue": queue}), Random(0))
    pool = proxy.pools["default"]
    answered: list[str] = []

    def deliver(exchange: Exchange, now: float) -> None:
        answered.append(exchange.request.target)
        if exchange.request.target == "/first":
            dispatcher.open(HttpRequest("GET", "/second"), None, now)

    def crash(exchange: Exchange, error: Exception, now: float) -> None:
        raise error

    upstream = Simulated(pool, proxy.streams)
    dispatcher = Dispatcher(proxy, {"default": upstream}, deliver, crash)
    dispatcher.open(HttpRequest("GET", "/"), None, 0.0)
    for _ in range(MANY):
        dispatcher.open(HttpRequest("GET", "/first"), None, 0.0)
    assert len(pool.queue) == MANY
    proxy.timers.catch_up(5.0)
    dispatcher.advance_ready(5.0)
    assert answered.count("/first") == MANY
    dispatcher.run_until(100.0)
    assert answered.count("/second") == MANY
    assert pool.requests == 0


def test_a_bug_that_a_mirrored_copy_meets_while_it_seeks_a_backend_costs_no_answer() -> None:
    buggy = {"backends": ["b:1"], "algorithm": "tests.node.misbehaving:BuggySelector"}
    pools = {"a": {"backends": ["a:1"]}, "b": buggy}
    routes = [{"path_pattern": "/*", "backend_pool": "a", "mirror": "b"}]
    proxy = Proxy(config_from({"backend_pools": pools, "routes": routes}), Random(0))
    delivered: list[Exchange] = []
    crashed: list[Exception] = []
    dispatcher = Dispatcher(
        proxy,
        {name: Simulated(pool, proxy.streams) for name, pool in proxy.pools.items()},
        lambda exchange, now: delivered.append(exchange),
        lambda exchange, error, now: crashed.append(error),
    )
    dispatcher.open(HttpRequest("GET", "/bug"), None, 0.0)
    assert [str(error) for error in crashed] == ["a bug"]
    (answered,) = delivered
    assert answered.response is not None and answered.response.status == 200
    assert proxy.pools["b"].requests == 0


def test_so_many_copies_are_under_way_and_no_more() -> None:
    pools = {"a": {"backends": ["a:1"]}, "b": {"backends": ["b:1"], "simulate": {"latency": 5}}}
    routes = [{"path_pattern": "/*", "backend_pool": "a", "mirror": "b"}]
    log: list[str] = []
    proxy = Proxy(
        config_from({"backend_pools": pools, "routes": routes}),
        Random(0),
        log=lambda now, text: log.append(text),
    )
    delivered: list[Exchange] = []
    dispatcher = Dispatcher(
        proxy,
        {name: Simulated(pool, proxy.streams) for name, pool in proxy.pools.items()},
        lambda exchange, now: delivered.append(exchange),
        lambda exchange, error, now: None,
        most_copies=2,
    )
    mirror = proxy.pools["b"].backends[0]
    for now in (0.0, 1.0, 2.0, 3.0):
        dispatcher.open(HttpRequest("GET", "/"), None, now)
    assert (mirror.in_flight, len(delivered)) == (2, 4)
    assert [line for line in log if "mirrored" in line] == [
        "pool b: requests are not mirrored while too many copies wait for their answers"
    ]
    dispatcher.run_until(5.0)
    assert mirror.in_flight == 1
    dispatcher.open(HttpRequest("GET", "/"), None, 5.0)
    dispatcher.run_until(20.0)
    assert (mirror.in_flight, mirror.total) == (0, 3)
