"""What a pool's policies have in common: each keeps something in mind about every backend."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self, TypeVar

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
