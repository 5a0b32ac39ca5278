"""Handover: the pool of another configuration goes on where this one stops.

What is known of the backends that are in both pools, by name and address, is kept: counters, what
an operator said of them, what each policy makes of them, and the load that they have. The pool
before finishes its own requests, and tells the new one how they go.

However often that happens, and however long one request lasts meanwhile, only pools that still
have requests are kept: one that has none is left out between those before and behind it.
"""

from __future__ import annotations

from collections import deque
from functools import partial

from l7proxy.core.flags import DRAINING, FULL, MAINTENANCE
from l7proxy.core.policies.base import AttemptObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
    lineage = before.lineage or Lineage()
    pool.lineage = lineage
    before.retire(lineage.add(before, pool, successors))
    lineage.forget_idle()


def _inherit(pool: Pool, backend: Backend, old: Backend) -> None:
    backend.total, backend.failures = old.total, old.failures
    backend.flags = old.flags & (DRAINING | MAINTENANCE)
    backend.in_flight = old.in_flight
    if pool.selector_counts:
        for _ in range(old.in_flight):
            pool.selector.opened(backend)
    if backend.is_full:
        backend.flags |= FULL


class Lineage:
    """The pools that had the place of the present one before it and still have requests."""

    def __init__(self) -> None:
        self._links: list[HandoverObserver] = []
        """From each of them to the next, the oldest first; the last leads to the present pool."""
        self._untold: deque[Callable[[], None]] = deque()
        self._telling = False

    def __len__(self) -> int:
        return len(self._links)

    def add(self, before: Pool, pool: Pool, successors: BackendMap) -> HandoverObserver:
        """Returns what tells `pool`, the present one from now on, of the requests of `before`."""
        link = HandoverObserver(self, before, pool, successors)
        self._links.append(link)
        return link

    def forget_idle(self) -> None:
        """Leaves out all pools that have no requests any more."""
        for link in list(self._links):
            self.forget_if_idle(link)

    def forget_if_idle(self, link: HandoverObserver) -> None:
        """Leaves a pool out if it has no requests: those before it tell the one behind it."""
        if link.before.requests or link not in self._links:
            return
        place = self._links.index(link)
        if place:
            self._links[place - 1].skip(link)
        del self._links[place]

    def tell(self, event: Callable[[], None]) -> None:
        """Runs the event, once those before it have run.

        A pool that is told tells the next one: within one another there would be as many calls as
        there are pools.
        """
        self._untold.append(event)
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                self._untold.popleft()()
        finally:
            self._untold.clear()
            self._telling = False


class HandoverObserver(AttemptObserver):
    """Tells a pool how the requests go that were begun under `before`, the pool before it."""

    def __init__(self, lineage: Lineage, before: Pool, pool: Pool, successors: BackendMap) -> None:
        self.before = before
        self._lineage = lineage
        self._pool = pool
        self._successors = successors

    def skip(self, link: HandoverObserver) -> None:
        """Tells the pool that `link` leads to, in place of the one that it leads from."""
        self._pool = link._pool
        self._successors = {
            old: link._successors[new]
            for old, new in self._successors.items()
            if new in link._successors
        }

    def began(self, backend: Backend, now: float) -> None:
        known = self._successors.get(backend)
        if known is not None:
            self._lineage.tell(partial(_began, self._pool, known, now))

    def released(self, backend: Backend, now: float) -> None:
        known = self._successors.get(backend)
        if known is not None:
            self._lineage.tell(partial(_released, self._pool, known, now))
        self._lineage.forget_if_idle(self)

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
            _wake_shell(self._pool, now)
            self._lineage.tell(partial(event, known, began_at, now))


def _began(pool: Pool, backend: Backend, now: float) -> None:
    pool.acquire(backend, now)
    # The place is taken, but the request is counted by the pool before.
    pool.active -= 1


def _released(pool: Pool, backend: Backend, now: float) -> None:
    _wake_shell(pool, now)
    pool.active += 1
    pool.release(backend, now)


def _wake_shell(pool: Pool, now: float) -> None:
    """Makes sure that the shell of the new proxy starts a request that gets a place by this.

    It is the shell of the proxy before that is at work, and that one does not look there.
    """
    if pool.queue:
        pool.timers.schedule(now, _due)


def _due(now: float) -> None:
    """Does nothing: an action that is due is enough to have the shell look at what is ready."""
