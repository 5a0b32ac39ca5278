"""What a pool's policies hear of the requests on its backends."""

from __future__ import annotations

from l7proxy.core.policies.base import AttemptObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from l7proxy.core.policies.base import Successors
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool

    Event = Callable[[Backend, float, float], None]
    """What is told of a backend's attempt: `(backend, began_at, now)`."""


def handlers(observers: Iterable[AttemptObserver], event: str) -> list[Callable[..., None]]:
    """The methods of those observers that care for the event."""
    nobody = getattr(AttemptObserver, event)
    return [getattr(w, event) for w in observers if getattr(type(w), event) is not nobody]


def notifier(handlers: list[Callable[..., None]]) -> Event:
    """Tells all of them, with nothing in between where there is only one to tell."""
    if len(handlers) == 1:
        return handlers[0]

    def tell(backend: Backend, began_at: float, now: float) -> None:
        for hear in handlers:
            hear(backend, began_at, now)

    return tell


class HandoverObserver(AttemptObserver):
    """Tells the pool that took over how requests go that were begun under the one before it."""

    def __init__(self, pool: Pool, successors: Successors) -> None:
        self._pool = pool
        self._successors = successors

    def began(self, backend: Backend, now: float) -> None:
        known = self._successors.get(backend)
        if known is not None:
            self._pool.acquire(known, now)
            # The place is taken, but the request is another pool's.
            self._pool.active -= 1

    def released(self, backend: Backend, now: float) -> None:
        known = self._successors.get(backend)
        if known is not None:
            self._have_the_shell_look(now)
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
            self._have_the_shell_look(now)
            event(known, began_at, now)

    def _have_the_shell_look(self, now: float) -> None:
        """Whoever gets a place is on the other proxy's hands, whose shell takes no part in this."""
        if self._pool.queue:
            self._pool.timers.schedule(now, _wake)


def _wake(now: float) -> None:
    """Something is due: so the shell looks at what came up."""
