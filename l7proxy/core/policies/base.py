"""What a pool's policies have in common: each keeps something in mind about every backend."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Self, TypeVar

    from l7proxy.core.pool.backend import Backend

    Kept = TypeVar("Kept")
    Successors = Mapping[Backend, Backend]
    """For each backend of one pool that is in another, too, the one that it is there."""
else:
    Successors = object


class Policy:
    """One policy of one pool."""

    def removed(self, backend: Backend) -> None:
        """The backend has left the pool: nothing is kept of it, and nothing is to come."""

    def handover_from(self, before: Self, successors: Successors) -> None:
        """Goes on with what is known, under another configuration, of the backends that stay.

        Where the settings are others than they were, that may say nothing any more. The pool has
        had no request yet, and looks at the flags afterwards: they are put up without telling it.
        """


class AttemptObserver(Policy):
    """Hears of every attempt on a pool's backends; overrides what it cares for, and hears of that.

        began ──> succeeded ──> completed, or broke_off, or nothing more
            └──> failed, or dropped

    So an attempt fails at most once: a response that is a failure by its status is not told of
    again, and nothing is told where the client left in the middle of one. All are told when the
    attempt `began_at`: what began under other circumstances says little about the present ones.
    """

    def began(self, backend: Backend, now: float) -> None:
        """An attempt starts on the backend."""

    def succeeded(self, backend: Backend, began_at: float, now: float) -> None:
        """The backend began a good response."""

    def completed(self, backend: Backend, began_at: float, now: float) -> None:
        """The good response has come to its end."""

    def broke_off(self, backend: Backend, began_at: float, now: float) -> None:
        """The response began well and broke off: the attempt failed after all."""

    def failed(self, backend: Backend, began_at: float, now: float) -> None:
        """The attempt ended without a response, or with one of status 500 or more."""

    def dropped(self, backend: Backend, began_at: float, now: float) -> None:
        """Nobody waits for the attempt any more: it says nothing about the backend."""

    def released(self, backend: Backend, now: float) -> None:
        """The attempt, whatever came of it, has given back the place that it had."""

    def snapshot(self, backend: Backend) -> Mapping[str, Any]:
        """What the `status` message shows of this policy for the backend."""
        return {}


class PerBackend(dict["Backend", "Kept"]):
    """What a policy keeps in mind about each backend, made by `make` when it is asked for."""

    def __init__(self, make: Callable[[], Kept]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, backend: Backend) -> Kept:
        kept = self[backend] = self._make()
        return kept

    def moved_from(
        self, before: PerBackend[Kept], successors: Successors
    ) -> Iterator[tuple[Backend, Backend, Kept]]:
        """Takes over what was kept of the backends that stay: gives who each was, who it is, what.

        It is no longer kept where it was.
        """
        for old, new in successors.items():
            if old in before:
                kept = self[new] = before.pop(old)
                yield old, new, kept
