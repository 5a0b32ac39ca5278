"""`round-robin`: smooth weighted round robin, pick for pick as nginx does it."""

from __future__ import annotations

from l7proxy.core.selectors.base import Selector, position
from l7proxy.core.selectors.smooth import SmoothRotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend


class RoundRobin(Selector):
    """Picks all in turn, in proportion to the weights, spread as evenly as possible.

    A backend that left and returns goes on from where it was. O(log n) for a pick, O(1) once the
    pool has been left alone for a round.
    """

    rule = "the largest current weight after each has grown by its weight; the first of equals"

    def prepare(self) -> None:
        self.rotation = SmoothRotation()

    def pick(
        self,
        request: HttpRequest | None = None,
        avoid: Collection[Backend] = (),
    ) -> Backend | None:
        return self.rotation.step(avoid)

    def joined(self, backend: Backend) -> None:
        self.rotation.join(backend)

    def left(self, backend: Backend) -> None:
        self.rotation.leave(backend)

    def reweighted(self, backend: Backend) -> None:
        self.rotation.leave(backend)
        self.rotation.join(backend)

    def forgotten(self, backend: Backend) -> None:
        self.rotation.forget(backend)

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        weights = self.rotation.current_weights()
        return {"current_weights": {b.name: weights[b] for b in sorted(weights, key=position)}}
