"""Which connections an attempt and a health check go to."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import Exchange, HttpRequest, Proxy, config_from
from l7proxy.core.config.model import BackendConfig
from l7proxy.upstreams.http import BufferedUpstream, HttpUpstream
from tests.builds import needs_pure


class Connections:
    """Stands for the connections to one address: what they were given to carry."""

    def __init__(self) -> None:
        self.dispatched: list[Any] = []

    def send(self, exchange: Exchange, downstream: Any, now: float) -> None:
        self.dispatched.append(exchange)

    def probe(self, probe: Any, now: float) -> None:
        self.dispatched.append(probe)


pytestmark = needs_pure


class Addresses:
    """Stands for every connection of a process, by address."""

    def __init__(self) -> None:
        self.made: dict[str, Connections] = {}

    def get(self, address: str, config: Any) -> Connections:
        return self.made.setdefault(address, Connections())


class Body:
    """A shell whose requests have no body."""

    body = None


def proxy() -> Proxy:
    pools = {"p": {"backends": ["a:1"], "health": {"interval": 5}}}
    return Proxy(config_from({"backend_pools": pools}), Random(0))


@pytest.mark.parametrize("whole", [False, True])
def test_a_backend_that_was_added_has_connections_of_its_own(*, whole: bool) -> None:
    addresses: Any = Addresses()
    made = proxy()
    pool = made.pools["p"]
    upstream = BufferedUpstream(pool, addresses, 9) if whole else HttpUpstream(pool, addresses)
    pool.add("b", BackendConfig(address="b:2"), 0.0)
    for _ in range(2):
        exchange = made.open(HttpRequest("GET", "/p"), 0.0)
        exchange.owner = Body()
        upstream.start(exchange, 0.0)
    assert {a: len(c.dispatched) for a, c in addresses.made.items()} == {"a:1": 1, "b:2": 1}


def test_a_backend_that_was_added_is_checked() -> None:
    addresses: Any = Addresses()
    made = proxy()
    pool = made.pools["p"]
    upstream = HttpUpstream(pool, addresses)
    added = pool.add("b", BackendConfig(address="b:2"), 0.0)
    made.timers.advance(60.0)
    for probe in made.probes:
        upstream.probe(probe, 60.0)
    assert {probe.backend for probe in addresses.made["b:2"].dispatched} == {added}


class Broken(Addresses):
    """Can't be had for new backends any more."""

    def get(self, address: str, config: Any) -> Connections:
        if address == "b:2":
            raise ValueError("can't use ca.pem: No such file or directory")
        return super().get(address, config)


def test_a_backend_whose_settings_can_not_be_put_to_work_is_as_one_that_can_not_be_reached() -> (
    None
):
    made = proxy()
    pool = made.pools["p"]
    addresses: Any = Broken()
    upstream = HttpUpstream(pool, addresses)
    pool.remove(pool.backends[0], 0.0)
    pool.add("b", BackendConfig(address="b:2"), 0.0)
    exchange = made.open(HttpRequest("GET", "/p"), 0.0)
    exchange.owner = Body()
    upstream.start(exchange, 0.0)
    assert exchange.response is not None and exchange.response.status == 502
    assert exchange.local_reply is not None and "can't use ca.pem" in exchange.local_reply.text
    assert pool.backends[0].in_flight == 0
    made.timers.advance(60.0)
    while made.probes:
        probe = made.probes.popleft()
        upstream.probe(probe, 60.0)
        assert probe.over


def test_a_backend_that_was_removed_leaves_nothing_behind_once_another_is_used() -> None:
    addresses: Any = Addresses()
    made = proxy()
    pool = made.pools["p"]
    upstream = HttpUpstream(pool, addresses)
    (first,) = pool.backends
    pool.add("b", BackendConfig(address="b:2"), 0.0)
    pool.remove(first, 0.0)
    assert upstream.connections == {addresses.made["a:1"]}
    exchange = made.open(HttpRequest("GET", "/p"), 0.0)
    exchange.owner = Body()
    upstream.start(exchange, 0.0)
    assert upstream.connections == {addresses.made["b:2"]}
