"""The base of a pool's policies, each of which remembers something about every backend."""

from __future__ import annotations

from l7proxy.core.mypyc import mypyc_attr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Self, TypeVar

    from l7proxy.core.pool.backend import Backend

    State = TypeVar("State")
    BackendMap = Mapping[Backend, Backend]
    """Maps backends of one pool to the same backends in the pool that takes over from it.

    Those that do not stay are not in it.
    """


@mypyc_attr(allow_interpreted_subclasses=True)
class Policy:
    """One policy of one pool."""

    def removed(self, backend: Backend) -> None:
        """Forgets a backend that has left the pool; nothing more is to happen because of it."""

    def handover_from(self, before: Self, successors: BackendMap) -> None:
        """Takes over what `before`, the same policy of another configuration, knows of backends.

        A policy takes over nothing that says nothing under its own settings. The pool has had no
        request yet and looks at the flags afterwards: they are set without telling it.
        """


@mypyc_attr(allow_interpreted_subclasses=True)
class AttemptObserver(Policy):
    """A policy that hears of every attempt on a pool's backends, through the methods it overrides.

        began ──> succeeded ──> completed, or broke_off, or nothing more
            └──> failed, or dropped

    So an attempt fails at most once: after a response that is a failure by its status nothing more
    is told, nor where the client leaves in the middle of one. The time at which the attempt
    `began_at` is always told: an attempt that began under other circumstances says little about
    the present ones.
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
        """The attempt was given up by the proxy: it says nothing about the backend."""

    def released(self, backend: Backend, now: float) -> None:
        """The attempt is over, however it ended, and no longer counts as in flight."""

    def snapshot(self, backend: Backend) -> Mapping[str, Any]:
        """Returns the members that this policy adds to the backend in the `status` message."""
        return {}


class PerBackend(dict["Backend", "State"]):
    """A policy's own state for each backend, made by `make` when it is first looked up."""

    def __init__(self, make: Callable[[], State]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, backend: Backend) -> State:
        state = self[backend] = self._make()
        return state

    def adopt(
        self, before: PerBackend[State], successors: BackendMap
    ) -> Iterator[tuple[Backend, Backend, State]]:
        """Moves here the states that `before` has of the backends that stay.

        Yields for each the backend as it was, the backend as it is, and the state.
        """
        for old, new in successors.items():
            if old in before:
                state = self[new] = before.pop(old)
                yield old, new, state
