"""`first`: the first backend of the configuration that is not full (`max_connections`).

As few backends as possible are in use, so that the others can be switched off: HAProxy's `first`.
"""

from __future__ import annotations

from l7proxy.core.selectors.base import Selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend


class First(Selector):
    """Picks the first in order; a backend that is full is not eligible. O(1) for a pick."""

    rule = "the first in the order of the configuration that can be used"

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        return next((backend for backend in self.eligible if backend not in avoid), None)
