"""`random`: anyone, in proportion to the weights."""

from __future__ import annotations

from l7proxy.core.selectors.base import Selector
from l7proxy.core.selectors.weighted_sampler import WeightedSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend


class Drawing(Selector):
    """A selector that draws from the eligible backends by weight."""

    rule = "drawn at random by weight"

    def prepare(self) -> None:
        self.draw = WeightedSampler(self.random)

    def joined(self, backend: Backend) -> None:
        self.draw.add(backend)

    def left(self, backend: Backend) -> None:
        self.draw.remove(backend)

    def reweighted(self, backend: Backend) -> None:
        self.draw.change(backend)


class WeightedRandom(Drawing):
    """O(1) for a pick while the weights are equal, else O(log n)."""

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        return self.pick_without(request, avoid) if avoid else self.draw.one()

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        # Who is avoided leaves for the draw and returns, which is more than a look.
        drawn = None if avoid else self.undrawn(self.draw.one)
        return {} if drawn is None else {"drawn": [drawn.name]}
