"""What a pool's policies hear of the requests on its backends."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from l7proxy.core.backend import Backend


class Watcher:
    """Hears of every attempt on a pool's backends; overrides what it cares for.

    Each `began` is followed by exactly one of `succeeded`, `failed` and `dropped`, which are told
    again when the attempt `began_at`: what began under other circumstances says little about the
    present ones.
    """

    def began(self, backend: Backend, now: float) -> None:
        """An attempt starts on the backend."""

    def succeeded(self, backend: Backend, began_at: float, now: float) -> None:
        """The backend began a good response."""

    def failed(self, backend: Backend, began_at: float, now: float) -> None:
        """The attempt ended without a response, or with one of status 500 or more."""

    def dropped(self, backend: Backend, began_at: float, now: float) -> None:
        """Nobody waits for the attempt any more: it says nothing about the backend."""

    def removed(self, backend: Backend) -> None:
        """The backend has left the pool."""

    def snapshot(self, backend: Backend) -> Mapping[str, Any]:
        """What the `status` message shows of this policy for the backend."""
        return {}
