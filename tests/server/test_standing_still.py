"""A server whose process stood still: what came meanwhile is heard before anybody is late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from l7proxy.core import HttpRequest, Proxy, config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.policies.health_check import Probe
from l7proxy.server.clock import Clock
from l7proxy.server.connection import ClientConnection
from l7proxy.server.server import Server
from l7proxy.upstreams.base import Upstream
from l7proxy.upstreams.dispatcher import Dispatcher


class Loop:
    """An event loop's clock, and its only timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due = 0.0
        self._action: Callable[[], None] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, action: Callable[[], None]) -> Loop:
        self.due, self._action = when, action
        return self

    def call_later(self, seconds: float, action: Callable[[], None]) -> Loop:
        return self.call_at(self.now + seconds, action)

    def cancel(self) -> None:
        self._action = None

    def run(self, until: float) -> None:
        """Time passes, and the timer goes off whenever it is due."""
        while self._action is not None and self.due <= until:
            self.now = max(self.now, self.due)
            self.tick()
        self.now = until

    def tick(self) -> None:
        """The timer goes off now."""
        action, self._action = self._action, None
        assert action is not None
        action()

    def stand_still(self, until: float) -> None:
        """Time passes and nobody sees it; only then the timer goes off."""
        self.now = until
        self.tick()


class Backends(Upstream):
    """Backends that say nothing by themselves."""

    def __init__(self) -> None:
        self.asked: list[Exchange] = []
        self.probes: list[Probe] = []

    def start(self, exchange: Exchange, now: float) -> None:
        self.asked.append(exchange)
        exchange.started(now)

    def probe(self, probe: Probe, now: float) -> None:
        self.probes.append(probe)


def story(**pool: Any) -> tuple[Loop, Proxy, Dispatcher, Backends]:
    config = config_from({"backend_pools": {"p": {"backends": ["a:1", "b:1", "c:1"], **pool}}})
    loop, backends = Loop(), Backends()
    proxy = Proxy(config, Random(0))
    dispatcher = Dispatcher(proxy, {"p": backends}, lambda exchange, now: None, lambda *crash: None)
    Clock(loop, dispatcher).start()  # type: ignore[arg-type]
    return loop, proxy, dispatcher, backends


def test_an_answer_that_came_meanwhile_is_in_time() -> None:
    loop, _, dispatcher, _ = story(timeouts={"attempt": 1})
    exchange = dispatcher.open(HttpRequest("GET", "/p"), None, loop.now)
    loop.stand_still(9.0)
    assert exchange.responded(200, loop.now)
    exchange.completed(loop.now)
    loop.run(20.0)
    assert (exchange.attempts, exchange.local_reply) == (1, None)


def test_another_attempt_has_all_of_its_time_from_then_on() -> None:
    loop, _, dispatcher, backends = story(timeouts={"attempt": 1}, retries={"attempts": 3})
    exchange = dispatcher.open(HttpRequest("GET", "/p"), None, loop.now)
    loop.stand_still(9.0)
    loop.run(9.2)
    assert exchange.attempts == 2
    loop.run(10.0)
    assert exchange.attempts == 2 and len(backends.asked) == 2
    loop.run(10.2)
    assert exchange.attempts == 3


def test_no_backend_is_down_for_checks_that_it_was_never_sent() -> None:
    loop, proxy, _, backends = story(health={"interval": 1, "timeout": 1, "fall": 2})
    loop.run(0.5)
    loop.stand_still(9.0)
    loop.run(9.2)
    assert len(backends.probes) == 6
    for probe in backends.probes[3:]:
        probe.answered(200, loop.now)
    assert all(backend.eligible for backend in proxy.pools["p"].backends)


def test_who_really_does_not_answer_is_late_however_slow_the_process() -> None:
    loop, _, dispatcher, _ = story(timeouts={"attempt": 1}, retries={"attempts": 1})
    exchange = dispatcher.open(HttpRequest("GET", "/p"), None, loop.now)
    loop.stand_still(9.0)
    loop.stand_still(18.0)
    assert exchange.response is not None and exchange.response.status == 504


class Transport:
    """A connection to a client, that notes when it is ended."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.ended: list[float] = []

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None:
        self.ended.append(self._loop.now)

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None


def test_no_client_is_overdue_before_it_has_been_heard() -> None:
    loop = Loop()
    timeouts = {"timeouts": {"head": 5}}
    config = config_from({"backend_pools": {"p": {"backends": ["a:1"]}}, "server": timeouts})
    server = Server(config, Random(0), loop, print)  # type: ignore[arg-type]
    transport = Transport(loop)
    ClientConnection(server.listener).connection_made(transport)  # type: ignore[arg-type]
    asyncio.run(server.start([]))
    loop.run(4.5)
    loop.stand_still(60.0)
    assert transport.ended == []
    loop.run(61.0)
    assert transport.ended == [61.0]
