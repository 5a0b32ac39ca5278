"""Handover: the pool of another configuration goes on where this one stops.

What is known of the backends that are in both pools, by name and address, is kept: counters, what
an operator said of them, what each policy makes of them, and the load that they have. The pool
before finishes its own requests, and tells the new one how they go.
"""

from __future__ import annotations

from l7proxy.core.flags import DRAINING, FULL, MAINTENANCE
from l7proxy.core.policies.base import AttemptObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.policies.base import BackendMap
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.events import Event
    from l7proxy.core.pool.pool import Pool


def hand_over(before: Pool, pool: Pool, now: float) -> None:
    """Has `pool` go on, before its first request, with what `before` knows; see the module.

    A backend that was not in the pool before starts slowly, where that is configured.
    """
    successors: dict[Backend, Backend] = {}
    for backend in pool.backends:
        old = before.by_name.get(backend.name)
        if old is not None and old.address == backend.address:
            successors[old] = backend
            _inherit(pool, backend, old)
    for policy in pool.policies:
        for other in before.policies:
            if type(other) is type(policy):
                policy.handover_from(other, successors)
    pool.members.inherit_panic(before.members)
    pool.members.survey(now)
    known = set(successors.values())
    for backend in pool.backends:
        if backend not in known:
            pool.warm_up(backend, now)
    before.retire(HandoverObserver(pool, successors))


def _inherit(pool: Pool, backend: Backend, old: Backend) -> None:
    backend.total, backend.failures = old.total, old.failures
    backend.flags = old.flags & (DRAINING | MAINTENANCE)
    backend.in_flight = old.in_flight
    if pool.selector_counts:
        for _ in range(old.in_flight):
            pool.selector.opened(backend)
    if backend.is_full:
        backend.flags |= FULL


class HandoverObserver(AttemptObserver):
    """Tells a pool how the requests go that were begun under the pool before it."""

    def __init__(self, pool: Pool, successors: BackendMap) -> None:
        self._pool = pool
        self._successors = successors

    def began(self, backend: Backend, now: float) -> None:
        known = self._successors.get(backend)
        if known is not None:
            self._pool.acquire(known, now)
            # The place is taken, but the request is counted by the pool before.
            self._pool.active -= 1

    def released(self, backend: Backend, now: float) -> None:
        known = self._successors.get(backend)
        if known is not None:
            self._wake_shell(now)
            self._pool.active += 1
            self._pool.release(known, now)

    def succeeded(self, backend: Backend, began_at: float, now: float) -> None:
        self._tell(self._pool.succeeded, backend, began_at, now)

    def completed(self, backend: Backend, began_at: float, now: float) -> None:
        self._tell(self._pool.completed, backend, began_at, now)

    def broke_off(self, backend: Backend, began_at: float, now: float) -> None:
        self._tell(self._pool.broke_off, backend, began_at, now)

    def failed(self, backend: Backend, began_at: float, now: float) -> None:
        self._tell(self._pool.failed, backend, began_at, now)

    def dropped(self, backend: Backend, began_at: float, now: float) -> None:
        self._tell(self._pool.dropped, backend, began_at, now)

    def _tell(self, event: Event, backend: Backend, began_at: float, now: float) -> None:
        known = self._successors.get(backend)
        if known is not None:
            self._wake_shell(now)
            event(known, began_at, now)

    def _wake_shell(self, now: float) -> None:
        """Makes sure that the shell of the new proxy starts a request that gets a place by this.

        It is the shell of the proxy before that is at work, and that one does not look there.
        """
        if self._pool.queue:
            self._pool.timers.schedule(now, _due)


def _due(now: float) -> None:
    """Does nothing: an action that is due is enough to have the shell look at what is ready."""
