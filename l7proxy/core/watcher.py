"""What a pool's policies hear of the requests on its backends."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from l7proxy.core.backend import Backend


class Watcher:
    """Hears of every attempt on a pool's backends; overrides what it cares for.

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

    def removed(self, backend: Backend) -> None:
        """The backend has left the pool."""

    def snapshot(self, backend: Backend) -> Mapping[str, Any]:
        """What the `status` message shows of this policy for the backend."""
        return {}
