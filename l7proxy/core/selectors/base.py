"""The base of all selectors: derive from it, implement `pick`, and name the class.

class Newest(Selector):
    def pick(self, request=None, avoid=()):
        return next((b for b in reversed(self.eligible) if b not in avoid), None)

{"backends": [...], "algorithm": "my_package.balancing:Newest"}
"""

from __future__ import annotations

from bisect import bisect_left, insort

from l7proxy.core.config.algorithms import NoOptions
from l7proxy.core.config.problems import ConfigError, Problems
from l7proxy.core.flags import REMOVED
from l7proxy.core.mypyc import mypyc_attr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from random import Random
    from typing import Any, ClassVar, TypeVar

    from l7proxy.core.config.record import Record
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend, Weight

    Sample = TypeVar("Sample")


@mypyc_attr(allow_interpreted_subclasses=True)
class Selector:
    """Picks one of a pool's eligible backends.

    `backends` are all of the pool, in the order of the configuration: the pool's own list, which
    changes as backends are added and removed. `eligible` are those that may be picked now, in
    the same order. The pool calls `joined` and `left` as backends become eligible or stop being
    so, `opened` and `closed` as requests start and end on them, `observed` when a backend has
    answered, `reweighted` when a weight changes, `removed` when a backend gets nothing more,
    `forgotten` when it is gone for good. A subclass hears of those that it overrides. `joined` and
    `left` keep `eligible`; a subclass that needs it calls `super()` first.

    A decision follows from the options, the order of the calls and the `random` that is passed
    in: not from a clock, nor from a hash that differs from one process to the next.
    """

    options: ClassVar[type[Record]] = NoOptions
    """The options it understands in the configuration."""

    settings: Any
    """The options in force, an instance of `options`."""

    rule: ClassVar[str] = ""
    """The rule by which it decides, in a line for people."""

    def __init__(
        self, backends: Sequence[Backend], options: Mapping[str, Any], random: Random
    ) -> None:
        """Raises `ConfigError`, with pointers from the pool, where the options can't be used.

        Raises ValueError where it can't work with these backends.
        """
        problems = Problems()
        self.settings = self.options.load(options, "/options", problems)
        if problems:
            raise ConfigError(problems.found)
        self.backends = backends
        self.random = random
        self.eligible: list[Backend] = []
        self.check_weights(backend.full_weight for backend in backends)
        self.prepare()
        for backend in backends:
            if backend.eligible:
                self.joined(backend)

    def check_weights(self, weights: Iterable[Weight]) -> None:
        """Raises ValueError, with a text for people, where it can't work with such weights.

        The weights are those of all backends of the pool. It is asked before anything is changed.
        """

    def check_weight(self, weight: Weight, instead_of: Backend | None = None) -> None:
        """Raises ValueError where it can't work with one more backend of that weight.

        Or it is that of a backend `instead_of` the one that it has. It is asked directly before the
        change. A subclass with a `check_weights` need not have it: that is asked about all.
        """
        if type(self).check_weights is not Selector.check_weights:
            weights = [b.full_weight for b in self.backends if b is not instead_of and is_there(b)]
            self.check_weights([*weights, weight])

    def prepare(self) -> None:
        """Sets up the state of the other methods; called once, before any backend joins."""

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        """Returns the backend for a request, or None where none is eligible outside `avoid`.

        `avoid` holds the backends that this same request was tried on before.
        """
        raise NotImplementedError

    def joined(self, backend: Backend) -> None:
        """A backend became eligible."""
        insort(self.eligible, backend, key=position)

    def left(self, backend: Backend) -> None:
        """A backend stopped being eligible."""
        del self.eligible[bisect_left(self.eligible, backend.index, key=position)]

    def reweighted(self, backend: Backend) -> None:
        """An eligible backend's weight is another now."""

    def opened(self, backend: Backend) -> None:
        """A request was given to the backend: its in-flight count is one higher now."""

    def closed(self, backend: Backend) -> None:
        """A request ended on the backend: its in-flight count is one lower now."""

    def observed(self, backend: Backend, seconds: float, now: float, *, failed: bool) -> None:
        """The backend began its response, or `failed`, `seconds` after the attempt started."""

    def removed(self, backend: Backend) -> None:
        """A backend was removed from the pool; it still finishes what it has."""

    def forgotten(self, backend: Backend) -> None:
        """A backend that had left was removed from the pool for good."""

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        """Returns the state by which the next pick is made, in the algorithm's own terms.

        It is asked before a pick with the same arguments, and changes no pick.
        """
        return {}

    def peek(self, sample: Callable[[], Sample]) -> Sample:
        """Returns what `sample` would return now, and puts `random` back to where it was."""
        state = self.random.getstate()
        sampled = sample()
        self.random.setstate(state)
        return sampled

    def pick_without(
        self, request: HttpRequest | None, avoid: Collection[Backend]
    ) -> Backend | None:
        """Picks as if the backends in `avoid` had left: for a `pick` that has no better way."""
        resting = [backend for backend in dict.fromkeys(avoid) if backend.eligible]
        for backend in resting:
            self.left(backend)
        picked = self.pick(request)
        for backend in resting:
            self.joined(backend)
        return picked


def is_there(backend: Backend) -> bool:
    """Returns whether a backend was not removed: one that was only finishes what it has."""
    return not backend.flags & REMOVED


def position(backend: Backend) -> int:
    """Returns a backend's position in the order of the configuration."""
    return backend.index
