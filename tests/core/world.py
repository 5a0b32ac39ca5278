"""A proxy with one pool in which anything may happen at any time, and what must hold all along.

`World` has a method for each thing that can happen; after each, `check` compares the pool with
what follows from the flags of its backends alone. `settle` lets every trouble end and holds the
pool to being as good as new within the times of its own configuration.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import Any

from l7proxy.commands.version import is_compiled
from l7proxy.core import HttpRequest, HttpResponse, Proxy, config_from
from l7proxy.core.config.model import BackendConfig
from l7proxy.core.exchange import Exchange
from l7proxy.core.exchange_state import (
    ATTEMPTING,
    BACKING_OFF,
    ENDED,
    NEW,
    QUEUED,
    RESPONDING,
    State,
)
from l7proxy.core.flags import ADMIN_FLAGS, FULL, HEALTH_FLAGS, REMOVED
from l7proxy.core.http.local_reply import CONNECT_FAILED, RESET
from l7proxy.core.policies.health_check import Probe
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.pool import Pool
from l7proxy.upstreams.base import Upstream
from l7proxy.upstreams.dispatcher import Dispatcher

CHOICES: dict[str, tuple[Any, ...]] = {
    "algorithm": ("round-robin", "least-connections"),
    "backends": (1, 2, 4),
    "max_connections": (None, 1, 2),
    "tiers": (1, 2),
    "queue": ({"size": 0}, {"size": 2, "timeout": 1}, {"size": 50, "timeout": 4}),
    "timeouts": ({"attempt": 2}, {"attempt": None}, {"attempt": 3, "request": 4}),
    "retries": (
        {"attempts": 1},
        {"attempts": 3, "retry_on": [503]},
        {"attempts": 4, "retry_on": [503], "backoff": 0.5, "budget_min": 1},
        {"attempts": 2, "budget": 0, "budget_min": 0},
    ),
    "health": (
        None,
        {"interval": 1, "timeout": 0.5},
        {"rise": 1, "fall": 1, "initially_up": False},
    ),
    "ejection": (
        None,
        {"consecutive_failures": 2, "time": 1, "max_time": 5},
        {"failure_rate": {"share": 0.5, "min_requests": 3}, "time": 2, "max_share": 1},
    ),
    "breaker": (
        None,
        {"failures": 2, "open_time": 1},
        {"failures": 1, "open_time": 2, "probes": 2, "successes": 1},
        {"failure_rate": {"share": 0.5, "min_requests": 2, "window": 2}, "probes": 3},
    ),
    "slow_start": (0, 4),
    "panic_threshold": (0, 0.5, 1),
}
"""What a pool's configuration is put together from."""

METHODS = ("GET", "POST")
STATUSES = (200, 404, 500, 503)
STATES = ("up", "down", "drain", "maint")
MOST = 40
"""More requests than this at a time would make no new kind of trouble."""


class OnBudget(set[Exchange]):
    """The retries on the budget, every growth of which is held to it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def add(self, exchange: Exchange) -> None:
        config, requests = self._pool.config.retries, self._pool.requests
        if exchange not in self:
            assert len(self) < max(config.budget_min, config.budget * requests), "over the budget"
        super().add(exchange)


class World(Upstream):
    """See the module; `choices` has one of `CHOICES` for each key."""

    def __init__(self, choices: dict[str, Any], seed: int = 0) -> None:
        pool = {key: value for key, value in choices.items() if value is not None}
        count, tiers = pool.pop("backends"), pool.pop("tiers")
        most = pool.pop("max_connections", None)
        pool["backends"] = [
            {"address": f"b{i}:1", "tier": i % tiers, "weight": 1 + i % 2}
            | ({} if most is None else {"max_connections": most})
            for i in range(count)
        ]
        self.now = 0.0
        self.proxy = Proxy(config_from({"backend_pools": {"p": pool}}), Random(seed))
        self.pool = self.proxy.pools["p"]
        self.config = self.pool.config
        self.dispatcher = Dispatcher(self.proxy, {"p": self}, self._delivered, self._crashed)
        self.under_way: list[Exchange] = []
        """On a backend, without a word from it yet."""
        self.responding: list[Exchange] = []
        self.open: dict[Exchange, None] = {}
        """Neither delivered nor cancelled."""
        self.unsent: set[Exchange] = set()
        """Those that some backend refused before anything was sent."""
        self.probes: list[Probe] = []
        self.gone: list[Backend] = []
        self.transitions = 0
        """How often something happened to somebody."""
        self.newest: Exchange | None = None
        """The one whose attempt began last; it may not be open yet."""
        self.at_once: int | None = None
        """The status that backends answer with at once; None where they take their time."""
        self._hold_to_the_rules()
        self.proxy.start(0.0)
        self.dispatcher.advance_ready(0.0)

    def _hold_to_the_rules(self) -> None:
        pool = self.pool
        pool.retry.counted = OnBudget(pool)
        acquire = pool.acquire

        def acquire_only_the_eligible(backend: Backend, now: float) -> None:
            may = self._may_be_used(backend) or self._may_stand_in(backend)
            assert may, f"{backend} {backend.flags:b}"
            acquire(backend, now)

        if not is_compiled():
            # Nothing can be put in the place of compiled code.
            pool.acquire = acquire_only_the_eligible  # type: ignore[method-assign]

    # The upstream.

    def start(self, exchange: Exchange, now: float) -> None:
        assert exchange not in self.under_way and exchange not in self.responding
        self.newest = exchange
        if self.at_once is not None:
            exchange.answered(HttpResponse(self.at_once), now)
            return
        self.under_way.append(exchange)
        exchange.started(now)
        exchange.on_abandon = lambda: self._abandoned(exchange)

    def probe(self, probe: Probe, now: float) -> None:
        self.probes.append(probe)
        probe.on_abandon = lambda: self.probes.remove(probe) if probe in self.probes else None

    def _abandoned(self, exchange: Exchange) -> None:
        for held in (self.under_way, self.responding):
            if exchange in held:
                held.remove(exchange)

    def _delivered(self, exchange: Exchange, now: float) -> None:
        assert exchange.state is ENDED and (exchange.response or exchange.local_reply)
        assert exchange not in self.under_way and exchange not in self.responding
        self.open.pop(exchange, None)
        exchange.owner += 1
        assert exchange.owner == 1, "delivered twice"

    def _crashed(self, exchange: Exchange, error: Exception, now: float) -> None:
        raise error

    # What can happen.

    def request(self, method: str = "GET") -> None:
        if len(self.open) < MOST:
            self.transitions += 1
            exchange = self.dispatcher.open(HttpRequest(method, "/p"), 0, self.now)
            if exchange.owner == 0:
                self.open[exchange] = None

    def answer(self, which: int, status: int) -> None:
        exchange = self._take(self.under_way, which)
        if exchange is not None:
            exchange.answered(HttpResponse(status), self.now)
            self.dispatcher.advance(exchange, self.now)

    def respond(self, which: int, status: int) -> None:
        exchange = self._take(self.under_way, which)
        if exchange is not None:
            if exchange.responded(status, self.now):
                self.responding.append(exchange)
            self.dispatcher.advance(exchange, self.now)

    def complete(self, which: int) -> None:
        exchange = self._take(self.responding, which)
        if exchange is not None:
            exchange.completed(self.now)
            exchange.response = HttpResponse(200)
            self.dispatcher.advance(exchange, self.now)

    def fail(self, which: int, sent: bool) -> None:
        exchange = self._take(self.under_way, which)
        if exchange is not None:
            if not sent:
                self.unsent.add(exchange)
            exchange.failed(RESET if sent else CONNECT_FAILED, self.now, sent=sent)
            self.dispatcher.advance(exchange, self.now)

    def break_off(self, which: int) -> None:
        exchange = self._take(self.responding, which)
        if exchange is not None:
            exchange.failed(RESET, self.now)
            self.dispatcher.advance(exchange, self.now)

    def cancel(self, which: int) -> None:
        if self.open:
            exchange = list(self.open)[which % len(self.open)]
            del self.open[exchange]
            self.transitions += 1
            self.dispatcher.cancel(exchange, self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.transitions += 1
        self.dispatcher.run_until(self.now)

    def examine(self, which: int, status: int | None) -> None:
        """A health check ends: with a status, or without an answer."""
        if self.probes:
            probe = self.probes.pop(which % len(self.probes))
            self.transitions += 1
            if status is None:
                probe.failed(self.now)
            else:
                probe.answered(status, self.now)
            self.dispatcher.advance_ready(self.now)

    def set_state(self, which: int, state: str) -> None:
        backend = self._backend(which)
        if backend is not None:
            self.pool.set_state(backend, state, self.now)
            self.dispatcher.advance_ready(self.now)

    def set_weight(self, which: int, weight: int) -> None:
        backend = self._backend(which)
        if backend is not None:
            self.pool.set_weight(backend, weight)

    def add(self) -> None:
        taken = {b.name for b in self.pool.backends if not b.flags & REMOVED}
        names = [name for name in ("b0", "b1", "c") if name not in taken]
        if names:
            self.transitions += 1
            self.pool.add(names[0], BackendConfig(address=f"{names[0]}:1"), self.now)
            self.dispatcher.advance_ready(self.now)

    def remove(self, which: int) -> None:
        backend = self._backend(which)
        if backend is not None:
            self.pool.remove(backend, self.now)
            self.gone.append(backend)
            self.dispatcher.advance_ready(self.now)

    def answer_at_once(self, status: int | None) -> None:
        self.at_once = status

    def _take(self, held: list[Exchange], which: int) -> Exchange | None:
        self.transitions += bool(held)
        return held.pop(which % len(held)) if held else None

    def _backend(self, which: int) -> Backend | None:
        present = [b for b in self.pool.backends if not b.flags & REMOVED]
        self.transitions += bool(present)
        return present[which % len(present)] if present else None

    # What must hold.

    def _may_be_used(self, backend: Backend) -> bool:
        """From the flags alone, with none of the pool's own bookkeeping."""
        return backend in self._tier_in_use() and not backend.flags & FULL

    def _may_stand_in(self, backend: Backend) -> bool:
        """Whether a backend of a later tier may be used by one that has tried all before it."""
        in_use = self._tier_in_use()
        return (
            backend in self._candidates()
            and not backend.flags & FULL
            and any(
                set(in_use) <= set(e.tried) and backend not in e.tried
                for e in (self.newest, *self.open)
                if e is not None
            )
        )

    def _candidates(self) -> list[Backend]:
        enabled = [b for b in self.pool.backends if not b.flags & ADMIN_FLAGS]
        well = [b for b in enabled if not b.flags & HEALTH_FLAGS]
        panic = len(well) < self.config.panic_threshold * len(enabled)
        return enabled if panic else well

    def _tier_in_use(self) -> list[Backend]:
        candidates = self._candidates()
        tier = min((b.tier for b in candidates), default=inf)
        return [b for b in candidates if b.tier == tier]

    def check(self) -> None:
        pool = self.pool
        backends = [*pool.backends, *(b for b in self.gone if b not in pool.backends)]
        on_backends = [*self.under_way, *self.responding]
        assert len(set(on_backends)) == len(on_backends)
        assert pool.active == len(on_backends) == sum(b.in_flight for b in backends)
        for backend in backends:
            assert backend.in_flight == sum(e.backend is backend for e in on_backends)
            most = backend.config.max_connections
            assert most is None or backend.in_flight <= most
            assert backend.eligible == (backend in pool.backends and self._may_be_used(backend))
            if backend not in pool.backends:
                assert backend.in_flight == 0
        in_state = {state: {e for e in self.open if e.state is state} for state in State}
        assert in_state[QUEUED] == set(pool.queue)
        assert in_state[BACKING_OFF] == pool.retry.pausing
        assert in_state[ATTEMPTING] | in_state[RESPONDING] == set(on_backends)
        assert not in_state[NEW] and not in_state[ENDED]
        assert len(pool.queue) <= self.config.queue.size
        assert not (pool.queue and any(b.eligible for b in backends)), "waits for nothing"
        retried = {e for e in self.open if e.tried}
        assert pool.retry.counted <= retried <= pool.retry.counted | self.unsent
        assert not self.proxy.ready and not self.proxy.probes
        due = self.proxy.next_deadline()
        assert due is None or due >= self.now

    def settle(self) -> None:
        """All troubles end: everything open ends, and everyone is back in their own time."""
        self.at_once = 200
        while self.under_way:
            self.answer(0, 200)
        while self.responding:
            self.complete(0)
        for backend in list(self.pool.backends):
            self.pool.set_state(backend, "up", self.now)
        config = self.config
        until = self.now + self._longest_recovery()
        while (due := self.proxy.next_deadline()) is not None and due <= until:
            self.now = due
            self.dispatcher.run_until(due)
            while self.probes:
                self.examine(0, 200)
        self.now = until
        self.check()
        assert not self.open and self.pool.active == 0 and not self.pool.queue
        assert not self.pool.retry.counted and not self.pool.retry.pausing
        for backend in self.pool.backends:
            assert not backend.flags, f"{backend} is not back"
            assert backend.in_flight == 0
        if config.breaker is None or not self.pool.backends:
            return
        lowest = min(b.tier for b in self.pool.backends)
        used = [b for b in self.pool.backends if b.tier == lowest]
        for _ in range(40 * len(used) * config.breaker.successes):
            self.request()
        assert self.pool.breaker is not None
        assert {self.pool.breaker.state(b) for b in used} == {"closed"}

    def _longest_recovery(self) -> float:
        config = self.config
        longest = config.queue.timeout + config.retries.backoff_max
        if config.ejection is not None:
            longest = max(longest, config.ejection.max_time)
        if config.breaker is not None:
            longest = max(longest, config.breaker.open_time)
        if config.health is not None:
            checks = config.health.rise + 1
            each = config.health.interval * (1 + config.health.jitter) + config.health.timeout
            longest = max(longest, checks * each)
        return longest + config.slow_start
