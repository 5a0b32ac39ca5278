"""What a selector is. Subclass `Selector`, implement `pick`, and name it in the configuration.

class Newest(Selector):
    def pick(self, request=None, avoid=()):
        return next((b for b in reversed(self.eligible) if b not in avoid), None)

{"backends": [...], "algorithm": "my_package.balancing:Newest"}
"""

from __future__ import annotations

from bisect import insort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from random import Random
    from typing import Any, ClassVar

    from l7proxy.core.backend import Backend
    from l7proxy.core.messages import HttpRequest


class Selector:
    """Picks one of a pool's eligible backends.

    `backends` are all of the pool, in the order of the configuration; `eligible` are those that
    may be picked now, in the same order. The pool calls `joined` and `left` as backends become
    eligible or stop being so, `opened` and `closed` as requests start and end on them,
    `reweighted` when a weight changes. Overriding one of them is all it takes to hear of it;
    a subclass that overrides `joined`, `left` or `reweighted` calls `super()` first.
    """

    options: ClassVar[Mapping[str, Any]] = {}
    """The options it understands in the configuration, each with its default."""

    def __init__(
        self, backends: Sequence[Backend], options: Mapping[str, Any], random: Random
    ) -> None:
        """Raises ValueError, with a text for people, where an option can't be used."""
        unknown = sorted(options.keys() - self.options.keys())
        if unknown:
            known = ", ".join(self.options) or "none"
            raise ValueError(f'no option "{unknown[0]}"; the options are: {known}')
        self.settings = {**self.options, **options}
        self.random = random
        self.eligible: list[Backend] = []
        for backend in backends:
            if backend.eligible:
                self.joined(backend)

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        """The backend for a request, or None where none is eligible outside `avoid`.

        `avoid` holds the backends that this same request was tried on before.
        """
        raise NotImplementedError

    def joined(self, backend: Backend) -> None:
        """A backend became eligible."""
        insort(self.eligible, backend, key=_place)

    def left(self, backend: Backend) -> None:
        """A backend stopped being eligible."""
        self.eligible.remove(backend)

    def reweighted(self, backend: Backend) -> None:
        """An eligible backend's weight is another now."""

    def opened(self, backend: Backend) -> None:
        """A request was given to the backend: its in-flight count is one higher now."""

    def closed(self, backend: Backend) -> None:
        """A request ended on the backend: its in-flight count is one lower now."""

    def explain(self) -> Mapping[str, Any]:
        """The state that the next pick goes by, in the algorithm's own terms."""
        return {}


def _place(backend: Backend) -> int:
    return backend.index
