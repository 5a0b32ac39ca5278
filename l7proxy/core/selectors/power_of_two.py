"""`power-of-two-choices`: two drawn by weight, the one with less to do for its weight.

M. Mitzenmacher, "The power of two choices in randomized load balancing" (1996): nearly as even as
the fewest of all, with no order to keep among the backends.
"""

from __future__ import annotations

from l7proxy.core.selectors.better_of_two import BetterOfTwo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.pool.backend import Backend


class PowerOfTwoChoices(BetterOfTwo):
    """Picks the smaller in-flight / weight: an idle pool is used in proportion to the weights."""

    rule = "of the two drawn by weight, the fewer in flight for the weight; of equals the first"

    def is_better(self, backend: Backend, other: Backend) -> bool:
        return backend.in_flight * other.weight < other.in_flight * backend.weight
