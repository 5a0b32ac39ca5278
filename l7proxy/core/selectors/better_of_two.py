"""Two drawn by weight, of whom the better one is picked."""

from __future__ import annotations

from l7proxy.core.selectors.weighted_random import Drawing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend


class BetterOfTwo(Drawing):
    """Picks the better of two different backends drawn by weight; of equals the first drawn.

    Comparing two rather than all keeps everyone from running to the same backend. O(1) for a pick
    while the weights are equal, else O(log n).
    """

    def is_better(self, backend: Backend, other: Backend) -> bool:
        """Whether a request is better off on the backend than on the other."""
        raise NotImplementedError

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        if avoid:
            return self.pick_without(request, avoid)
        drawn = self.draw.two()
        if drawn is None:
            return self.draw.one()
        first, second = drawn
        return second if self.is_better(second, first) else first

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        # Who is avoided leaves for the draw and returns, which is more than a look.
        drawn = None if avoid else self.undrawn(self.draw.two)
        return {} if drawn is None else {"drawn": [backend.name for backend in drawn]}
