"""`power-of-two-choices`: two drawn by weight, the one with less to do for its weight.

M. Mitzenmacher, "The power of two choices in randomized load balancing" (1996): nearly as even as
the fewest of all, with no order to keep among the backends.
"""

from __future__ import annotations

from l7proxy.core.selectors.weighted_random import Drawing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from l7proxy.core.backend import Backend
    from l7proxy.core.messages import HttpRequest


class PowerOfTwoChoices(Drawing):
    """Of two different backends the smaller in-flight / weight; of equals the first drawn.

    So an idle pool is used in proportion to its weights. O(1) for a pick while the weights are
    equal, else O(log n).
    """

    rule = "of the two drawn by weight, the fewer in flight for the weight; of equals the first"

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        if avoid:
            return self.pick_without(request, avoid)
        drawn = self.draw.two()
        if drawn is None:
            return self.draw.one()
        first, second = drawn
        less = second.in_flight * first.weight < first.in_flight * second.weight
        return second if less else first
