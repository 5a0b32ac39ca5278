"""The better of two backends that are sampled by weight."""

from __future__ import annotations

from l7proxy.core.selectors.weighted_random import SamplingSelector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend


class BetterOfTwo(SamplingSelector):
    """Picks the better of two different backends sampled by weight; of equals the first.

    Comparing two rather than all keeps everyone from running to the same backend. O(1) for a pick
    while the weights are equal, else O(log n).
    """

    def is_better(self, backend: Backend, other: Backend) -> bool:
        """Returns whether a request is better off on the backend than on the other."""
        raise NotImplementedError

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        if avoid:
            return self.pick_without(request, avoid)
        sampled = self.sampler.two()
        if sampled is None:
            return self.sampler.one()
        first, second = sampled
        return second if self.is_better(second, first) else first

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        # With backends to avoid a pick changes the sampler, which a mere look must not.
        sampled = None if avoid else self.peek(self.sampler.two)
        return {} if sampled is None else {"drawn": [backend.name for backend in sampled]}
