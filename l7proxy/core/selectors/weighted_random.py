"""`random`: any backend, in proportion to the weights."""

from __future__ import annotations

from l7proxy.core.selectors.base import Selector
from l7proxy.core.selectors.weighted_sampler import WeightedSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend


class SamplingSelector(Selector):
    """A selector that samples the eligible backends by weight."""

    rule = "drawn at random by weight"

    def prepare(self) -> None:
        self.sampler = WeightedSampler(self.random)

    def joined(self, backend: Backend) -> None:
        self.sampler.add(backend)

    def left(self, backend: Backend) -> None:
        self.sampler.remove(backend)

    def reweighted(self, backend: Backend) -> None:
        self.sampler.change(backend)


class WeightedRandom(SamplingSelector):
    """Picks one backend at random. O(1) while the weights are equal, else O(log n)."""

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        return self.pick_without(request, avoid) if avoid else self.sampler.one()

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        # With backends to avoid a pick changes the sampler, which a mere look must not.
        sampled = None if avoid else self.peek(self.sampler.one)
        return {} if sampled is None else {"drawn": [sampled.name]}
