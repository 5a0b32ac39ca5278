"""The events of attempts on a pool's backends, and their listeners."""

from __future__ import annotations

from functools import partial

from l7proxy.core.policies.base import AttemptObserver
from l7proxy.core.selectors.base import Selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from l7proxy.core.pool.backend import Backend

    Event = Callable[[Backend, float, float], None]
    """What is told of a backend's attempt: `(backend, began_at, now)`."""


class AttemptEvents:
    """The events of one pool: its observers hear of them, and its selector, if it times attempts.

    What nobody overrides is not called. `heard` is False where nobody is told how an attempt goes
    that goes well.
    """

    __slots__ = (
        "began",
        "broke_off",
        "completed",
        "dropped",
        "failed",
        "heard",
        "observers",
        "released",
        "succeeded",
    )

    def __init__(self, observers: tuple[AttemptObserver, ...], selector: Selector) -> None:
        self.observers = observers
        good, bad = handlers(observers, "succeeded"), handlers(observers, "failed")
        if type(selector).observed is not Selector.observed:
            good.insert(0, partial(_time, selector, failed=False))
            bad.insert(0, partial(_time, selector, failed=True))
        completed = handlers(observers, "completed")
        self.heard = bool(good or completed)
        self.began: list[Callable[[Backend, float], None]] = handlers(observers, "began")
        self.released: list[Callable[[Backend, float], None]] = handlers(observers, "released")
        self.succeeded: Event = notifier(good)
        self.failed: Event = notifier(bad)
        self.completed: Event = notifier(completed)
        self.broke_off: Event = notifier(handlers(observers, "broke_off"))
        self.dropped: Event = notifier(handlers(observers, "dropped"))


def _time(
    selector: Selector, backend: Backend, began_at: float, now: float, *, failed: bool
) -> None:
    selector.observed(backend, now - began_at, now, failed=failed)


def handlers(observers: Iterable[AttemptObserver], event: str) -> list[Callable[..., None]]:
    """The methods of those observers that override the event."""
    default = getattr(AttemptObserver, event)
    return [getattr(o, event) for o in observers if getattr(type(o), event) is not default]


def notifier(handlers: list[Callable[..., None]]) -> Event:
    """One callable that calls them all; where there is only one, that one itself."""
    if len(handlers) == 1:
        return handlers[0]

    def notify_all(backend: Backend, began_at: float, now: float) -> None:
        for handler in handlers:
            handler(backend, began_at, now)

    return notify_all
