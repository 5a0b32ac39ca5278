"""A pool: its backends, who of them may be given a request now, and who waits for one."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from l7proxy.core.exchange import Exchange
from l7proxy.core.policies.flags import (
    ADMIN_FLAGS,
    DOWN,
    DRAINING,
    EJECTED,
    FULL,
    HEALTH_FLAGS,
    MAINTENANCE,
    REMOVED,
)
from l7proxy.core.policies.retry import RetryPolicy
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.events import handlers, notifier
from l7proxy.core.random_streams import RandomStreams
from l7proxy.core.selectors import Selector, find_selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Collection, Iterator, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.affinity import Affinity
    from l7proxy.core.config import BackendConfig, PoolConfig
    from l7proxy.core.policies.base import AttemptObserver, Policy
    from l7proxy.core.policies.circuit_breaker import Breaker
    from l7proxy.core.policies.health_check import HealthChecks, Probe
    from l7proxy.core.policies.slow_start import SlowStart
    from l7proxy.core.pool.events import HandoverObserver
    from l7proxy.core.timers import DelayLine, Timers

STATES: dict[str, tuple[int, int]] = {
    "up": (0, DOWN | DRAINING | MAINTENANCE),
    "down": (DOWN, DRAINING | MAINTENANCE),
    "drain": (DRAINING, MAINTENANCE),
    "maint": (MAINTENANCE, DRAINING),
}
"""What a person can set a backend to: the flags that go up, and those that come down."""

_EVERY_FLAG = ~0


class Pool:
    """Keeps each backend's flags, in-flight count and eligibility, and tells the selector.

    A backend is eligible when it is in the tier in use (the lowest with anyone to use) and no flag
    is up against it. Below the panic threshold the flags that are opinions about health are not
    listened to. `observers` are the policies that hear of every attempt.
    """

    def __init__(
        self,
        name: str,
        pointer: str,
        config: PoolConfig,
        random: Random,
        timers: Timers,
        probes: deque[Probe],
        log: Callable[[float, str], None],
    ) -> None:
        """Raises ValueError where the selector can't be found or refuses its options.

        `pointer` is the JSON pointer of the pool in the configuration.
        """
        self.name = name
        self.pointer = pointer
        self.config = config
        self.timers = timers
        self.backends = [
            Backend(index, backend_name, backend)
            for index, (backend_name, backend) in enumerate(
                zip(config.backend_names, config.backends, strict=True)
            )
        ]
        self.by_name = {backend.name: backend for backend in self.backends}
        self.queue: OrderedDict[Exchange, None] = OrderedDict()
        """Those who wait for a place, the longest first."""
        self._dispatching = False
        self._busy: set[Backend] = set()
        """Backends that could be used, were they not full."""
        timeouts = config.timeouts
        self.delay_line: DelayLine | None = None
        """Where attempts wait for their deadline, if all have the same time to take."""
        if timeouts.attempt is not None and timeouts.request is None:
            self.delay_line = timers.delay_line(timeouts.attempt, Exchange.overdue)
        self.active = 0
        """Requests that have an attempt in flight."""
        streams = RandomStreams(random)
        self.retry = RetryPolicy(config.retries, streams.stream("retries"))
        self.affinity: Affinity | None = None
        """Who comes back to which backend, if anyone does; its proxy sets it."""
        self.breaker: Breaker | None = None
        self.health: HealthChecks | None = None
        self._slow_start: SlowStart | None = None
        self._log = log
        self._has_missed_copies = False
        self.on_flags_changed: Callable[[Backend, float], None] = _ignore_change
        """Told of every backend whose health or administrative state has changed."""
        self._heeded = _EVERY_FLAG
        self._tier = min(backend.tier for backend in self.backends)
        self._next_index = len(self.backends)
        for backend in self.backends:
            backend.eligible = backend.tier == self._tier
        selector = find_selector(config.algorithm)
        self.selector = selector(self.backends, config.options, streams.stream("selector"))
        self._hears_load = (
            selector.opened is not Selector.opened or selector.closed is not Selector.closed
        )
        self._hears_times = selector.observed is not Selector.observed
        self._policies = self._build_policies(streams, probes)

    def _build_policies(self, streams: RandomStreams, probes: deque[Probe]) -> tuple[Policy, ...]:
        """Builds the policies that are configured; what is not costs nothing."""
        config = self.config
        observers: list[AttemptObserver] = []
        policies: list[Policy] = []
        if config.ejection is not None:
            from l7proxy.core.policies.outlier_ejection import Ejection

            observers.append(Ejection(self, config.ejection))
        if config.breaker is not None:
            from l7proxy.core.policies.circuit_breaker import Breaker

            self.breaker = Breaker(self, config.breaker)
            observers.append(self.breaker)
        if config.slow_start:
            from l7proxy.core.policies.slow_start import SlowStart

            self._slow_start = SlowStart(self, config.slow_start)
            policies.append(self._slow_start)
        if config.health is not None:
            from l7proxy.core.policies.health_check import HealthChecks

            self.health = HealthChecks(self, config.health, streams.stream("health"), probes)
            policies.append(self.health)
        self.observers = tuple(observers)
        return (*observers, *policies)

    @property
    def observers(self) -> tuple[AttemptObserver, ...]:
        """Those of the policies, and others, that hear of every attempt."""
        return self._observers

    @observers.setter
    def observers(self, observers: tuple[AttemptObserver, ...]) -> None:
        self._observers = observers
        good, bad = handlers(observers, "succeeded"), handlers(observers, "failed")
        if self._hears_times:
            good.insert(0, partial(self._time, failed=False))
            bad.insert(0, partial(self._time, failed=True))
        self._began = handlers(observers, "began")
        self._released = handlers(observers, "released")
        self._failed = notifier(bad)
        self._broke_off = notifier(handlers(observers, "broke_off"))
        self.succeeded = notifier(good)
        """Told that an attempt brought a good response: `(backend, began_at, now)`."""
        self.completed = notifier(handlers(observers, "completed"))
        """Told that a good response has come to its end: `(backend, began_at, now)`."""
        self.dropped = notifier(handlers(observers, "dropped"))
        """Told that nobody waits for an attempt any more: `(backend, began_at, now)`."""

    def _time(self, backend: Backend, began_at: float, now: float, *, failed: bool) -> None:
        self.selector.observed(backend, now - began_at, now, failed=failed)

    def start(self, now: float) -> None:
        """Begins the health checks, if any are configured."""
        if self.health is not None:
            for backend in self.backends:
                self.health.watch(backend, now)

    def handover_from(self, before: Pool, now: float) -> None:
        """Goes on, before its own first request, with what is known of the backends that stay.

        They are those with the same name and address. Their counters go on, and so does what a
        person said of them, what each policy makes of them, and the load that they have. Whoever is
        new starts slowly where that is configured. The pool before this one has its requests, and
        tells how they go.
        """
        from l7proxy.core.pool.events import HandoverObserver

        successors: dict[Backend, Backend] = {}
        for backend in self.backends:
            old = before.by_name.get(backend.name)
            if old is not None and old.address == backend.address:
                successors[old] = backend
                backend.total, backend.failures = old.total, old.failures
                backend.flags = old.flags & (DRAINING | MAINTENANCE)
                self._handover_load(backend, old)
        for policy in self._policies:
            for other in before._policies:
                if type(other) is type(policy):
                    policy.handover_from(other, successors)
        # It is no news that there is panic, or none.
        self._heeded = before._heeded
        self._survey(now)
        known = set(successors.values())
        for backend in self.backends:
            if backend not in known:
                self.warm_up(backend, now)
        before._handover_to(HandoverObserver(self, successors))

    def _handover_load(self, backend: Backend, old: Backend) -> None:
        backend.in_flight = old.in_flight
        if self._hears_load:
            for _ in range(old.in_flight):
                self.selector.opened(backend)
        if _is_full(backend):
            backend.flags |= FULL

    def _handover_to(self, handover_observer: HandoverObserver) -> None:
        """Leaves it to another pool what is to be made of the backends."""
        for policy in self._policies:
            for backend in self.backends:
                policy.removed(backend)
        self._policies = ()
        self.observers = (handover_observer,)

    def stop(self) -> None:
        """Ends the health checks: the pool only finishes what it has."""
        if self.health is not None:
            self.health.stop()

    def log(self, now: float, text: str) -> None:
        """Notes a change of state: only flips are logged, never single requests."""
        self._log(now, f"pool {self.name}: {text}")

    def miss_copy(self, now: float) -> None:
        """A request that was to be mirrored here can't be: its body has passed."""
        if not self._has_missed_copies:
            self._has_missed_copies = True
            self.log(now, "requests whose bodies are too large to be kept are not mirrored")

    # Requests.

    @property
    def requests(self) -> int:
        """Requests in flight: on a backend, waiting for a place, or between two attempts."""
        return self.active + len(self.queue) + len(self.retry.pausing)

    def choose(
        self, exchange: Exchange, now: float, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        """The backend for an exchange's next attempt; None where none outside `avoid` is free.

        Whom the client had before, if it may be had again; else whom the selector picks. Where all
        of the tier in use were tried, the next tier stands in, as nginx's backup servers do.
        """
        if self.affinity is not None and not avoid:
            exchange.pinned = pinned = self.affinity.find(exchange.request, now)
            if pinned is not None and pinned.eligible:
                return pinned
        picked = self.selector.pick(exchange.request, avoid)
        if type(picked) is Backend:
            return picked
        if picked is not None:
            # Told here, before anything is counted on it.
            raise TypeError(f"{type(self.selector).__name__} picked {picked!r}, no backend")
        return self._spare(avoid) if avoid else None

    def _spare(self, avoid: Collection[Backend]) -> Backend | None:
        """The least busy backend of the next tier; None while the tier in use has any to wait for.

        Of equals the first.
        """
        if any(backend not in avoid for backend in self._busy):
            return None
        spare = [
            backend
            for backend in self.backends
            if backend.tier > self._tier
            and not backend.flags & self._heeded
            and backend.weight > 0
            and backend not in avoid
        ]
        return min(spare, key=_need, default=None)

    def choose_anew(self, exchange: Exchange, now: float) -> Backend | None:
        """As `choose` after a wait: one that was tried before is better than none."""
        backend = self.choose(exchange, now, exchange.tried)
        return self.choose(exchange, now) if backend is None and exchange.tried else backend

    def acquire(self, backend: Backend, now: float) -> None:
        """Counts an attempt in on the backend."""
        self.active += 1
        backend.in_flight += 1
        backend.total += 1
        if self._hears_load:
            self.selector.opened(backend)
        if backend.in_flight == backend.config.max_connections:
            self.set_flag(backend, FULL, now)
        for began in self._began:
            began(backend, now)

    def failed(self, backend: Backend, began_at: float, now: float) -> None:
        """Hears now that an attempt brought no response, or one that is a failure."""
        backend.failures += 1
        self._failed(backend, began_at, now)

    def broke_off(self, backend: Backend, began_at: float, now: float) -> None:
        """Hears now that a response that began well broke off."""
        backend.failures += 1
        self._broke_off(backend, began_at, now)

    def release(self, backend: Backend, now: float) -> None:
        """Counts an attempt out on the backend, and lets the next one that waits have its place."""
        self.active -= 1
        backend.in_flight -= 1
        if self._hears_load:
            self.selector.closed(backend)
        if backend.flags:
            if backend.flags & FULL and not _is_full(backend):
                self.clear_flag(backend, FULL, now)
            if backend.flags & REMOVED and not backend.in_flight:
                self._forget(backend)
        for released in self._released:
            released(backend, now)

    def may_wait(self) -> bool:
        """Whether a request that found no place may wait for one: some backend is only busy.

        A full tier makes requests wait; it does not make them spill over to the next tier, which
        is there for the failure of the first and is perhaps no match for its load.
        """
        return bool(self._busy) and len(self.queue) < self.config.queue.size

    def patience(self, opened_at: float, now: float) -> float:
        """When a request that starts to wait now is told that it waited too long."""
        return self._no_later_than_request(opened_at, now + self.config.queue.timeout)

    def deadline(self, opened_at: float, now: float) -> float | None:
        """When an attempt that starts now is too slow; None where it may take for ever.

        For pools without a `delay_line`.
        """
        timeouts = self.config.timeouts
        if timeouts.attempt is None:
            return None if timeouts.request is None else opened_at + timeouts.request
        return self._no_later_than_request(opened_at, now + timeouts.attempt)

    def out_of_time(self, opened_at: float, now: float) -> bool:
        """Whether a request has used up all of its time."""
        limit = self.config.timeouts.request
        return limit is not None and now >= opened_at + limit

    def dispatch(self, now: float) -> None:
        """Starts those who wait, the longest first, as far as there is room."""
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self.queue and next(iter(self.queue)).take_place(now):
                pass
        finally:
            self._dispatching = False

    def _no_later_than_request(self, opened_at: float, due: float) -> float:
        limit = self.config.timeouts.request
        return due if limit is None else min(due, opened_at + limit)

    # Backends.

    def set_flag(self, backend: Backend, flag: int, now: float) -> None:
        """Gives a reason against the backend."""
        self._set_flags(backend, backend.flags | flag, now)

    def clear_flag(self, backend: Backend, flag: int, now: float) -> None:
        """Takes back a reason against the backend."""
        left = backend.flags & ~flag
        if backend.flags & flag & (DOWN | EJECTED | MAINTENANCE) and not left & ~FULL:
            self.warm_up(backend, now)
        self._set_flags(backend, left, now)

    def warm_up(self, backend: Backend, now: float) -> None:
        """Lets a backend that is back, or new, start slowly where that is configured."""
        if self._slow_start is not None:
            self._slow_start.begin(backend, now)

    def set_state(self, backend: Backend, state: str, now: float) -> None:
        """Does what a person asked for: `up`, `down`, `drain` or `maint`.

        Ejections and open circuits are not a person's to lift: they end when their time is over.
        """
        up, down = STATES[state]
        if self.health is not None and (up | down) & DOWN:
            self.health.assume(backend, up=not up & DOWN)
        # First what speaks against it: between the two nobody may be let in by mistake.
        self.set_flag(backend, up, now)
        self.clear_flag(backend, down, now)

    def set_weight(self, backend: Backend, weight: float) -> None:
        """Changes a backend's weight for good; one that is starting slowly goes on doing so.

        Raises ValueError, and changes nothing, where the selector can't work with it.
        """
        self.selector.check_weights([*self._weights(but=backend), weight])
        backend.full_weight = weight
        if self._slow_start is None:
            self.weigh(backend, weight)
        else:
            self._slow_start.reweigh(backend)

    def weigh(self, backend: Backend, weight: float) -> None:
        """Puts another weight in force."""
        backend.weight = weight
        if backend.eligible:
            self.selector.reweighted(backend)

    def add(self, name: str, config: BackendConfig, now: float) -> Backend:
        """Takes in a new backend; the others' rotation goes on as it was.

        A backend of that name that has been removed and still finishes what it has stays what it
        was; the name now means the new one. Raises ValueError, and changes nothing, where the
        selector can't work with it.
        """
        self.selector.check_weights([*self._weights(), config.weight])
        backend = Backend(self._next_index, name, config)
        backend.eligible = False
        self._next_index += 1
        self.backends.append(backend)
        self.by_name[name] = backend
        if self.affinity is not None:
            self.affinity.added(backend)
        self._survey(now)
        if self.health is not None:
            self.health.watch(backend, now)
        if not backend.flags:
            self.warm_up(backend, now)
        self.dispatch(now)
        return backend

    def remove(self, backend: Backend, now: float) -> None:
        """Gives the backend nothing new, and forgets it when it has finished what it has."""
        self.set_flag(backend, REMOVED, now)
        if not backend.in_flight:
            self._forget(backend)

    def _weights(self, but: Backend | None = None) -> Iterator[float]:
        """The weights of the backends that are there to stay."""
        for backend in self.backends:
            if backend is not but and not backend.flags & REMOVED:
                yield backend.full_weight

    def _forget(self, backend: Backend) -> None:
        self.backends.remove(backend)
        self._busy.discard(backend)
        if self.by_name.get(backend.name) is backend:
            del self.by_name[backend.name]
        self.selector.forgotten(backend)
        for policy in self._policies:
            policy.removed(backend)

    def _set_flags(self, backend: Backend, flags: int, now: float) -> None:
        changed = backend.flags ^ flags
        backend.flags = flags
        if changed == FULL:
            self._reconsider(backend)
        elif changed:
            self._survey(now)
            self.on_flags_changed(backend, now)
        if self.queue:
            self.dispatch(now)

    def _survey(self, now: float) -> None:
        """Finds out whether the pool is in panic and which tier is in use, then who is eligible.

        It looks at everyone, which is right for what happens as seldom as a change of health;
        a backend that is merely full changes nothing but its own eligibility.
        """
        enabled = [backend for backend in self.backends if not backend.flags & ADMIN_FLAGS]
        well = sum(not backend.flags & HEALTH_FLAGS for backend in enabled)
        panic = well < self.config.panic_threshold * len(enabled)
        if panic is (self._heeded == _EVERY_FLAG):
            self._heeded = ~HEALTH_FLAGS if panic else _EVERY_FLAG
            self.log(now, "panic: too few are healthy, all are used" if panic else "panic is over")
        telling = self._heeded & ~FULL
        self._tier = min((b.tier for b in enabled if not b.flags & telling), default=0)
        for backend in self.backends:
            self._reconsider(backend)

    def _reconsider(self, backend: Backend) -> None:
        flags = backend.flags & self._heeded if backend.tier == self._tier else _EVERY_FLAG
        if flags == FULL:
            self._busy.add(backend)
        else:
            self._busy.discard(backend)
        eligible = not flags
        if eligible is backend.eligible:
            return
        backend.eligible = eligible
        if eligible:
            self.selector.joined(backend)
        else:
            self.selector.left(backend)

    # Asking.

    def snapshot(self) -> Mapping[str, Any]:
        """The state of the pool, as the `status` message shows it; keys in a fixed order."""
        return {
            "algorithm": self.config.algorithm,
            "active": self.active,
            "waiting": len(self.queue),
            "retries": len(self.retry.counted),
            "retries_denied": self.retry.denied,
            "panic": self._heeded != _EVERY_FLAG,
            **({} if self.affinity is None else {"sticky": self.affinity.snapshot()}),
            "backends": {self._shown_name(b): self._snapshot_of(b) for b in self.backends},
        }

    def _shown_name(self, backend: Backend) -> str:
        """Its name; with a number where a new backend has that name and this one is leaving."""
        known = self.by_name.get(backend.name)
        return backend.name if known is backend else f"{backend.name}#{backend.index}"

    def _snapshot_of(self, backend: Backend) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "address": backend.address,
            "state": ",".join(backend.why_not()) or "up",
            "eligible": backend.eligible,
            "weight": backend.weight,
            "in_flight": backend.in_flight,
            "total": backend.total,
            "failures": backend.failures,
        }
        for observer in self.observers:
            shown.update(observer.snapshot(backend))
        return shown


def _need(backend: Backend) -> tuple[int, float]:
    """The smaller, the sooner a spare backend is used."""
    return backend.tier, (backend.in_flight + 1) / backend.weight


def _is_full(backend: Backend) -> bool:
    most = backend.config.max_connections
    return most is not None and backend.in_flight >= most


def _ignore_change(backend: Backend, now: float) -> None:
    """Who is told of changes where nobody wants to know."""
