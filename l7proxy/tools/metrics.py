"""What a replay counts as it goes: memory that does not grow with the traffic.

Times are kept in a fixed number of slots, whose width doubles when they are used up; latencies in
a histogram whose bins are 2 % wide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import log
from typing import TYPE_CHECKING

from l7proxy.core.flags import EJECTED
from l7proxy.core.policies.base import AttemptObserver

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.routing import Route

    Outcome = tuple[Route | str | None, Pool | None, Backend | None, int]
    """Route, pool, backend and status of a request that has ended.

    In place of a route there is the name of the local reply where no route was found, or None
    where the request was for the proxy itself.
    """

SLOTS = 120
"""How many points in time a plot has at most."""
MOST_CHANGES = 200
"""How many changes of one backend's state are kept; later ones only set its state."""
MOST_NOTES = 100
"""How many notes are kept; later ones are only counted."""

_BIN = log(1.02)


class Latencies:
    """A histogram of durations (seconds), right to within 2 %.

    Where all durations in a bin are equal, it is exact. Those of 0 s are only counted.
    """

    def __init__(self) -> None:
        self._count = 0
        self._bins: dict[int, int] = {}
        self._largest_in: dict[int, float] = {}
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Adds a duration of more than 0 s."""
        self._count += 1
        self.largest = max(self.largest, seconds)
        number = int(log(seconds) // _BIN)
        self._bins[number] = self._bins.get(number, 0) + 1
        if seconds > self._largest_in.get(number, 0.0):
            self._largest_in[number] = seconds

    def percentile(self, share: float, total: int) -> float:
        """Returns the duration that `share` (0 to 1) of all do not exceed.

        `total` is how many there are, including those of 0 s, which were not added.
        """
        wanted = share * total
        seen = total - self._count
        if seen >= wanted:
            return 0.0
        for number in sorted(self._bins):
            seen += self._bins[number]
            if seen >= wanted:
                return self._largest_in[number]
        return self.largest


class Series:
    """One backend over time: in each slot its requests and its most in flight; and its state."""

    __slots__ = ("changes", "in_flight", "level", "peak", "requests", "state")

    def __init__(self) -> None:
        self.requests = [0] * SLOTS
        self.in_flight = [-1] * SLOTS
        """The most at once in each slot after an attempt began in it; -1 where none did."""
        self.level = [-1] * SLOTS
        """What was left in flight at the end of each slot; -1 where that is as it was before."""
        self.peak = 0
        self.state = "up"
        self.changes: list[tuple[float, str]] = []
        """When the state became what."""

    def halve(self) -> None:
        """Makes each two slots one, so that half of them are free."""
        half = SLOTS // 2
        rest = SLOTS - half
        self.requests = [*map(sum, _pairs(self.requests)), *[0] * rest]
        self.in_flight = [*map(max, _pairs(self.in_flight)), *[-1] * rest]
        levels = [b if b >= 0 else a for a, b in _pairs(self.level)]
        self.level = [*levels, *[-1] * rest]


def _pairs(values: list[int]) -> Iterable[tuple[int, int]]:
    return zip(values[::2], values[1::2], strict=True)


class ReplayMetrics(AttemptObserver):
    """Counts what happens to requests; observes the pools of the proxies that `watch` is given."""

    def __init__(self) -> None:
        self.proxy: Proxy | None = None
        self.outcomes: defaultdict[Outcome, int] = defaultdict(int)
        """How many requests ended in each way."""
        self.latencies = Latencies()
        self.retried = 0
        self.ejections = 0
        self.series: dict[Backend, Series] = {}
        self.pool_of: dict[Backend, Pool] = {}
        self.notes: list[tuple[float, str]] = []
        self.noted = 0
        self.until = 0.0
        """When the last request ended (seconds)."""
        self.width = 0.01
        """How wide a slot is, in seconds."""
        self._now = 0.0
        self._slot = 0
        """The slot that `_now` is in: events come in bunches, at the same instant."""

    def watch(self, proxy: Proxy) -> None:
        """Observes everything on the proxy's backends from now on."""
        self.proxy = proxy
        for pool in proxy.pools.values():
            pool.observers = (*pool.observers, self)
            pool.on_flags_changed = self._flags_changed
            for backend in pool.backends:
                self._add(pool, backend)

    # What happens.

    def note(self, now: float, text: str) -> None:
        """Counts a change of a backend's or pool's state, in words."""
        self.noted += 1
        if len(self.notes) < MOST_NOTES:
            self.notes.append((now, text))

    def ended(self, line: int, exchange: Exchange, now: float) -> None:
        """Counts a request that has its answer."""
        response = exchange.response
        assert response is not None
        route: Route | str | None = exchange.route
        if route is None and exchange.local_reply is not None:
            route = exchange.local_reply.name
        self.outcomes[route, exchange.pool, exchange.backend, response.status] += 1
        if exchange.attempts > 1:
            self.retried += exchange.attempts - 1
        if now > exchange.opened_at:
            self.latencies.add(now - exchange.opened_at)
        if now > self.until:
            self.until = now

    def began(self, backend: Backend, now: float) -> None:
        """Counts an attempt in."""
        slot = self._slot if now == self._now else self._slot_at(now)
        try:
            series = self.series[backend]
        except KeyError:
            series = self._add_newcomer(backend)
        series.requests[slot] += 1
        level = series.level[slot] = backend.in_flight
        if level > series.in_flight[slot]:
            series.in_flight[slot] = level
            if level > series.peak:
                series.peak = level

    def released(self, backend: Backend, now: float) -> None:
        """Counts an attempt out."""
        slot = self._slot if now == self._now else self._slot_at(now)
        self.series[backend].level[slot] = backend.in_flight

    def _flags_changed(self, backend: Backend, now: float) -> None:
        series = self.series.get(backend) or self._add_newcomer(backend)
        state = self._state(backend)
        if state == series.state:
            return
        if backend.flags & EJECTED and "ejected" not in series.state:
            self.ejections += 1
        series.state = state
        if len(series.changes) < MOST_CHANGES:
            series.changes.append((now, state))

    def _state(self, backend: Backend) -> str:
        """Returns the names of the backend's flags, or `half-open` or `up` where those say it."""
        state = ",".join(name for name in backend.why_not() if name != "full")
        breaker = self.pool_of[backend].breaker
        if breaker is not None and state in ("", "broken"):
            state = "half-open" if breaker.state(backend) == "half-open" else state
        return state or "up"

    # Where it is kept.

    def _add_newcomer(self, backend: Backend) -> Series:
        assert self.proxy is not None
        pools = self.proxy.pools.values()
        return self._add(next(pool for pool in pools if backend in pool.backends), backend)

    def _add(self, pool: Pool, backend: Backend) -> Series:
        self.pool_of[backend] = pool
        series = self.series[backend] = Series()
        return series

    def _slot_at(self, now: float) -> int:
        """Returns the slot for the instant, after making slots wider if it is beyond the last."""
        while int(now / self.width) >= SLOTS:
            self.width *= 2
            for series in self.series.values():
                series.halve()
        self._now = now
        self._slot = int(now / self.width)
        return self._slot
