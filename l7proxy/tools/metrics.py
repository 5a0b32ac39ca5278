"""What a replay counts as it goes: memory that does not grow with the traffic.

Times are kept in a fixed number of slots, whose width doubles when they are used up; latencies in
a histogram whose bins are 2 % wide.
"""

from __future__ import annotations

from math import log

from l7proxy.core.policies.base import AttemptObserver
from l7proxy.core.policies.flags import EJECTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.routing import Route

SLOTS = 120
"""How many points in time a plot has at most."""
MOST_CHANGES = 200
"""How many changes of one backend's state are kept; later ones are only counted."""
MOST_NOTES = 100

_BIN = log(1.02)


class Latencies:
    """Durations (seconds), to within 2 %, and exactly where all that are alike are equal."""

    def __init__(self) -> None:
        self.count = 0
        self._none = 0
        self._bins: dict[int, int] = {}
        self._largest_in: dict[int, float] = {}
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        if seconds <= 0:
            self._none += 1
            return
        self.largest = max(self.largest, seconds)
        number = int(log(seconds) // _BIN)
        self._bins[number] = self._bins.get(number, 0) + 1
        if seconds > self._largest_in.get(number, 0.0):
            self._largest_in[number] = seconds

    def percentile(self, share: float) -> float:
        """The duration that `share` (0 to 1) of all do not exceed."""
        wanted = share * self.count
        seen = self._none
        if seen >= wanted:
            return 0.0
        for number in sorted(self._bins):
            seen += self._bins[number]
            if seen >= wanted:
                return self._largest_in[number]
        return self.largest


class Series:
    """One backend over time: per slot the requests it got and its most in flight, and its state."""

    __slots__ = ("changes", "in_flight", "level", "peak", "requests", "state")

    def __init__(self) -> None:
        self.requests = [0] * SLOTS
        self.in_flight = [-1] * SLOTS
        """-1 where nothing began or ended: the level is what it was before."""
        self.level = [-1] * SLOTS
        """What was left in flight at the end of each slot."""
        self.peak = 0
        self.state = "up"
        self.changes: list[tuple[float, str]] = []

    def halve(self) -> None:
        """Makes two slots one."""
        half = SLOTS // 2
        rest = SLOTS - half
        self.requests = [*map(sum, _pairs(self.requests)), *[0] * rest]
        self.in_flight = [*map(max, _pairs(self.in_flight)), *[-1] * rest]
        levels = [b if b >= 0 else a for a, b in _pairs(self.level)]
        self.level = [*levels, *[-1] * rest]


class ReplayMetrics(AttemptObserver):
    """Counts what happens to requests; `watch` makes it hear of a proxy's pools."""

    def __init__(self) -> None:
        self.proxy: Proxy | None = None
        self.outcomes: dict[tuple[Any, ...], int] = {}
        """How many requests ended with each (route, pool, backend, status).

        In place of a route that there was none for stands the name of the local reply, or None
        where the request was for the proxy itself.
        """
        self.latencies = Latencies()
        self.attempts = 0
        self.retried = 0
        self.ejections = 0
        self.series: dict[Backend, Series] = {}
        self.pool_of: dict[Backend, Pool] = {}
        self.notes: list[tuple[float, str]] = []
        self.noted = 0
        self.until = 0.0
        self.width = 0.01
        """Of a slot, in seconds."""

    def watch(self, proxy: Proxy) -> None:
        """Hears of everything on the proxy's backends from now on."""
        self.proxy = proxy
        for pool in proxy.pools.values():
            pool.observers = (*pool.observers, self)
            pool.on_flags_changed = self._notice
            for backend in pool.backends:
                self._know(pool, backend)

    # What is heard.

    def note(self, now: float, text: str) -> None:
        """A change of a backend's or pool's state, in words."""
        self.noted += 1
        if len(self.notes) < MOST_NOTES:
            self.notes.append((now, text))

    def ended(self, line: int, exchange: Exchange, now: float) -> None:
        """A request has its answer."""
        response = exchange.response
        assert response is not None
        route: Route | str | None = exchange.route
        if route is None and exchange.local_reply is not None:
            route = exchange.local_reply.name
        outcome = (route, exchange.pool, exchange.backend, response.status)
        outcomes = self.outcomes
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        attempts = exchange.attempts
        if attempts > 1:
            self.retried += attempts - 1
        self.latencies.add(now - exchange.opened_at)
        if now > self.until:
            self.until = now

    def began(self, backend: Backend, now: float) -> None:
        slot = int(now / self.width)
        if slot >= SLOTS:
            slot = self._make_room(now)
        series = self.series.get(backend) or self._newcomer(backend)
        series.requests[slot] += 1
        level = backend.in_flight
        if level > series.in_flight[slot]:
            series.in_flight[slot] = level
            if level > series.peak:
                series.peak = level
        series.level[slot] = level

    def succeeded(self, backend: Backend, began_at: float, now: float) -> None:
        slot = int(now / self.width)
        if slot >= SLOTS:
            slot = self._make_room(now)
        series = self.series[backend]
        level = backend.in_flight
        if level > series.in_flight[slot]:
            series.in_flight[slot] = level
        # It is about to leave.
        series.level[slot] = level - 1

    failed = succeeded
    dropped = succeeded

    def _notice(self, backend: Backend, now: float) -> None:
        series = self.series.get(backend) or self._newcomer(backend)
        breaker = self.pool_of[backend].breaker
        state = ",".join(name for name in backend.why_not() if name != "full")
        circuit = "closed" if breaker is None else breaker.state(backend)
        if circuit == "half-open" and state in ("", "broken"):
            state = "half-open"
        state = state or "up"
        if state != series.state:
            if backend.flags & EJECTED and "ejected" not in series.state:
                self.ejections += 1
            series.state = state
            if len(series.changes) < MOST_CHANGES:
                series.changes.append((now, state))

    # Where it is kept.

    def _newcomer(self, backend: Backend) -> Series:
        assert self.proxy is not None
        pools = self.proxy.pools.values()
        return self._know(next(pool for pool in pools if backend in pool.backends), backend)

    def _know(self, pool: Pool, backend: Backend) -> Series:
        self.pool_of[backend] = pool
        series = self.series[backend] = Series()
        return series

    def _make_room(self, now: float) -> int:
        while int(now / self.width) >= SLOTS:
            self.width *= 2
            for series in self.series.values():
                series.halve()
        return int(now / self.width)


def _pairs(values: list[int]) -> list[tuple[int, int]]:
    return list(zip(values[::2], values[1::2], strict=True))
