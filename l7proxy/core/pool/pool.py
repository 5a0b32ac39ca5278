"""A pool: what an exchange asks for a backend, and tells how its attempts went."""

from __future__ import annotations

from l7proxy.core.flags import (
    DOWN,
    DRAINING,
    EJECTED,
    FULL,
    MAINTENANCE,
    REMOVED,
)
from l7proxy.core.policies.retry import RetryPolicy
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.deadlines import Deadlines
from l7proxy.core.pool.events import AttemptEvents
from l7proxy.core.pool.members import Members
from l7proxy.core.pool.queue import WaitQueue
from l7proxy.core.random_streams import RandomStreams
from l7proxy.core.selectors import Selector, find_selector, is_built_in, make_selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Collection, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.affinity import Affinity
    from l7proxy.core.config import BackendConfig, PoolConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.policies.base import AttemptObserver, Policy
    from l7proxy.core.policies.circuit_breaker import Breaker
    from l7proxy.core.policies.health_check import HealthChecks, Probe
    from l7proxy.core.policies.slow_start import SlowStart
    from l7proxy.core.pool.backend import Weight
    from l7proxy.core.pool.events import Event
    from l7proxy.core.pool.handover import HandoverObserver, Lineage
    from l7proxy.core.timers import Timers

STATES: dict[str, tuple[int, int]] = {
    "up": (0, DOWN | DRAINING | MAINTENANCE),
    "down": (DOWN, DRAINING | MAINTENANCE),
    "drain": (DRAINING, MAINTENANCE),
    "maint": (MAINTENANCE, DRAINING),
}
"""What an operator can set a backend to: the flags to set, and those to clear."""


class Pool:
    """The backends of one pool, the selector that picks one, and the policies that watch them.

    An exchange calls `choose` and `acquire` to begin an attempt, reports how it goes
    (`succeeded`, `failed`, ...), and calls `release` once for each `acquire`.
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
        self._log = log
        self.members = members = Members(
            zip(config.backend_names, config.backends, strict=True), config.panic_threshold
        )
        self.queue = WaitQueue(config.queue.size)
        self.deadlines = Deadlines(config.timeouts, config.queue.timeout, timers)
        self.active = 0
        """Requests that have an attempt in flight."""
        streams = RandomStreams(random)
        self.retry = RetryPolicy(config.retries, streams.stream("retries"))
        self.retry_statuses = self.retry.statuses
        self._affinity: Affinity | None = None
        self.breaker: Breaker | None = None
        self.health: HealthChecks | None = None
        self._slow_start: SlowStart | None = None
        self._missed_copies: set[str] = set()
        """Why requests were not mirrored here, as far as that was said."""
        self.on_flags_changed: Callable[[Backend, float], None] | None = None
        """Called for each backend whose health or administrative state has changed."""
        self.lineage: Lineage | None = None
        """The pools under other configurations that this one goes on for, if there were any."""
        selector = find_selector(config.algorithm)
        self.selector = make_selector(
            selector, self.backends, config.options, streams.stream("selector")
        )
        self._is_built_in = is_built_in(selector)
        self.selector_counts = (
            selector.opened is not Selector.opened or selector.closed is not Selector.closed
        )
        """Whether the selector goes by how many requests each backend has."""
        members.selector = self.selector
        members.log = self.log
        self.policies, observers = self._build_policies(streams, probes)
        self._listen(observers)

    def _build_policies(
        self, streams: RandomStreams, probes: deque[Probe]
    ) -> tuple[tuple[Policy, ...], tuple[AttemptObserver, ...]]:
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
        return (*observers, *policies), tuple(observers)

    # No attributes, because no request asks for them: with thirty or more, CPython 3.11 looks each
    # of them up in a slower way, which costs 1 % of a line.

    @property
    def backends(self) -> list[Backend]:
        """All backends, those that are leaving, too."""
        return self.members.backends

    @property
    def by_name(self) -> dict[str, Backend]:
        """The backends by name; of two with one name, the one that is not leaving."""
        return self.members.by_name

    @property
    def affinity(self) -> Affinity | None:
        """The sessions that go back to their backends, if any do; its proxy sets it."""
        return self._affinity

    @affinity.setter
    def affinity(self, affinity: Affinity | None) -> None:
        self._affinity = affinity
        self._listen(self.observers)

    @property
    def observers(self) -> tuple[AttemptObserver, ...]:
        """The policies, and others, that hear of every attempt."""
        return self._events.observers

    @observers.setter
    def observers(self, observers: tuple[AttemptObserver, ...]) -> None:
        self._listen(observers)

    def _listen(self, observers: tuple[AttemptObserver, ...]) -> None:
        self._events = events = AttemptEvents(observers, self.selector)
        self._began, self._released = events.began, events.released
        self.is_observed = events.heard
        """Whether anything is to be told of an attempt that goes well."""
        self.is_quiet = not (events.heard or self.retry_statuses or self._affinity)
        """Whether nothing goes by how single requests are answered, failures aside."""
        self.succeeded: Event = events.succeeded
        """Told that an attempt brought a good response: `(backend, began_at, now)`."""
        self.completed: Event = events.completed
        """Told that a good response has come to its end: `(backend, began_at, now)`."""
        self.dropped: Event = events.dropped
        """Told that nobody waits for an attempt any more: `(backend, began_at, now)`."""

    def start(self, now: float) -> None:
        """Begins the health checks, if any are configured."""
        if self.health is not None:
            for backend in self.backends:
                self.health.watch(backend, now)

    def stop(self) -> None:
        """Ends the health checks: the pool only finishes what it has."""
        if self.health is not None:
            self.health.stop()

    def handover_from(self, before: Pool, now: float) -> None:
        """Goes on, before its own first request, with what `before` knows; see `handover`."""
        from l7proxy.core.pool.handover import hand_over

        hand_over(before, self, now)

    def retire(self, successor: HandoverObserver) -> None:
        """Leaves it to the pool behind `successor` what is to be made of the backends."""
        for policy in self.policies:
            for backend in self.backends:
                policy.removed(backend)
        self.policies = ()
        self._listen((successor,))

    def log(self, now: float, text: str) -> None:
        """Notes a change of state: only flips are logged, never single requests."""
        self._log(now, f"pool {self.name}: {text}")

    def miss_copy(self, why: str, now: float) -> None:
        """Notes, once for each reason, that a request is not mirrored here."""
        if why not in self._missed_copies:
            self._missed_copies.add(why)
            self.log(now, why)

    # Requests.

    @property
    def requests(self) -> int:
        """Requests in flight: on a backend, waiting for a place, or between two attempts."""
        return self.active + len(self.queue) + len(self.retry.pausing)

    def choose(
        self, exchange: Exchange, now: float, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        """The backend for an exchange's next attempt; None where none outside `avoid` is free.

        It is the one that the client's session is pinned to, if that is eligible; else the
        selector's pick. Where every backend of the tier in use was tried, the next tier stands in,
        as nginx's backup servers do.
        """
        affinity = self._affinity
        if affinity is not None and not avoid:
            exchange.pinned = pinned = affinity.find(exchange.request, now)
            if pinned is not None and pinned.eligible:
                return pinned
        try:
            picked = self.selector.pick(exchange.request, avoid)
        except SystemExit as error:
            name = type(self.selector).__name__
            raise RuntimeError(f"{name} wanted to end the program ({error.code})") from error
        if type(picked) is Backend and (self._is_built_in or self._may_pick(picked)):
            return picked
        if picked is not None:
            # Told here, before anything is counted on it.
            raise TypeError(f"{type(self.selector).__name__} picked {picked!r}, no backend")
        return self.members.spare(avoid) if avoid else None

    def _may_pick(self, backend: Backend) -> bool:
        """Returns True for a backend that is there to be picked; raises ValueError for others."""
        if backend.eligible and self.by_name.get(backend.name) is backend:
            return True
        name = type(self.selector).__name__
        raise ValueError(f"{name} picked {backend!r}, which is not among the eligible")

    def choose_anew(self, exchange: Exchange, now: float) -> Backend | None:
        """As `choose` after a wait: one that was tried before is better than none."""
        backend = self.choose(exchange, now, exchange.tried)
        return self.choose(exchange, now) if backend is None and exchange.tried else backend

    def acquire(self, backend: Backend, now: float) -> None:
        """Counts an attempt in on the backend."""
        self.active += 1
        backend.in_flight += 1
        backend.total += 1
        try:
            if self.selector_counts:
                self.selector.opened(backend)
        finally:
            if backend.in_flight == backend.max_in_flight:
                self.set_flag(backend, FULL, now)
            for began in self._began:
                began(backend, now)

    def release(self, backend: Backend, now: float) -> None:
        """Counts an attempt out on the backend, and lets the next one that waits have its place."""
        self.active -= 1
        backend.in_flight -= 1
        try:
            if self.selector_counts:
                self.selector.closed(backend)
        finally:
            if backend.flags:
                if backend.flags & FULL and not backend.is_full:
                    self.clear_flag(backend, FULL, now)
                if backend.flags & REMOVED and not backend.in_flight:
                    self._forget(backend)
            for released in self._released:
                released(backend, now)

    def failed(self, backend: Backend, began_at: float, now: float) -> None:
        """Counts an attempt that brought no response, or one that is a failure by its status."""
        backend.failures += 1
        self._events.failed(backend, began_at, now)

    def broke_off(self, backend: Backend, began_at: float, now: float) -> None:
        """Counts a response that began well and broke off."""
        backend.failures += 1
        self._events.broke_off(backend, began_at, now)

    def may_wait(self) -> bool:
        """Whether a request that found no place may wait for one: some backend is only busy.

        A full tier makes requests wait; it does not make them spill over to the next tier, which
        is there for the failure of the first and is perhaps no match for its load.
        """
        return self.members.some_are_busy and self.queue.has_room

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

    def _set_flags(self, backend: Backend, flags: int, now: float) -> None:
        if self.members.set_flags(backend, flags, now):
            self.flags_changed(backend, now)
        if self.queue:
            self.queue.admit(now)

    def flags_changed(self, backend: Backend, now: float) -> None:
        """Tells the listener, if there is one, that a backend is in another state."""
        if self.on_flags_changed is not None:
            self.on_flags_changed(backend, now)

    def warm_up(self, backend: Backend, now: float) -> None:
        """Starts a backend that is back, or new, slowly where that is configured."""
        if self._slow_start is not None:
            self._slow_start.begin(backend, now)

    def set_state(self, backend: Backend, state: str, now: float) -> None:
        """Does what an operator asked for: `up`, `down`, `drain` or `maint`.

        Ejections and open circuits are not an operator's to lift: they end when their time is over.
        """
        to_set, to_clear = STATES[state]
        if self.health is not None and (to_set | to_clear) & DOWN:
            self.health.assume(backend, up=not to_set & DOWN)
        # First what speaks against it: between the two no request may be let in by mistake.
        self.set_flag(backend, to_set, now)
        self.clear_flag(backend, to_clear, now)

    def set_weight(self, backend: Backend, weight: Weight) -> None:
        """Changes a backend's weight for good; one that is starting slowly goes on doing so.

        Raises ValueError, and changes nothing, where the selector can't work with it.
        """
        self.selector.check_weight(weight, backend)
        backend.full_weight = weight
        if self._slow_start is None:
            self.weigh(backend, weight)
        else:
            self._slow_start.reweigh(backend)

    def weigh(self, backend: Backend, weight: Weight) -> None:
        """Puts another weight in force."""
        backend.weight = weight
        if backend.eligible:
            self.selector.reweighted(backend)

    def add(self, name: str, config: BackendConfig, now: float) -> Backend:
        """Adds a new backend; the others' rotation goes on as it was.

        A backend of that name that has been removed and still finishes what it has stays what it
        was; the name now means the new one. Raises ValueError, and changes nothing, where the
        selector can't work with it.
        """
        self.selector.check_weight(config.weight)
        backend = self.members.add(name, config)
        if self.affinity is not None:
            self.affinity.added(backend)
        self.members.consider(backend, now)
        if self.health is not None:
            self.health.watch(backend, now)
        if not backend.flags:
            self.warm_up(backend, now)
        self.queue.admit(now)
        return backend

    def remove(self, backend: Backend, now: float) -> None:
        """Gives the backend nothing new, and forgets it when it has finished what it has."""
        self.set_flag(backend, REMOVED, now)
        self.selector.removed(backend)
        if not backend.in_flight:
            self._forget(backend)

    def _forget(self, backend: Backend) -> None:
        self.members.forget(backend)
        for policy in self.policies:
            policy.removed(backend)

    # What people see.

    def snapshot(self) -> Mapping[str, Any]:
        """The state of the pool, as the `status` message shows it; keys in a fixed order."""
        shown_name = self.members.shown_name
        return {
            "algorithm": self.config.algorithm,
            "active": self.active,
            "waiting": len(self.queue),
            "retries": len(self.retry.counted),
            "retries_denied": self.retry.denied,
            "panic": self.members.in_panic,
            **({} if self.affinity is None else {"sticky": self.affinity.snapshot()}),
            "backends": {shown_name(b): self._snapshot_of(b) for b in self.backends},
        }

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
