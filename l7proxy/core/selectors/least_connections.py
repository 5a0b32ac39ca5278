"""`least-connections`: the fewest requests in flight for the weight, ties as nginx breaks them."""

from __future__ import annotations

from heapq import heappop, heappush

from l7proxy.core.selectors.base import Selector, position
from l7proxy.core.selectors.smooth import SmoothRotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend, Weight


class LeastConnections(Selector):
    """Picks the least in-flight / weight; among equals, by a step of smooth weighted round robin.

    Backends with the same load share a rotation, so the tied ones are at hand: O(log n) for a
    pick and for a change of load. Dividing two whole numbers gives equal floats exactly when the
    fractions are equal, so loads can be compared as floats.
    """

    rule = "the fewest in flight for the weight; of equals, smooth weighted round robin decides"

    def prepare(self) -> None:
        self._currents: dict[Backend, Weight] = {}
        self._rotations: dict[float, SmoothRotation] = {}
        self._loads: list[float] = []
        """A heap of the loads that have a rotation; the least is on top."""
        self._load_of: dict[Backend, float] = {}
        self._least: SmoothRotation | None = None
        """The rotation of the backends with the least load."""
        self._changed: dict[Backend, None] = {}
        """Backends whose load may be another than the one they are filed under."""

    def pick(
        self,
        request: HttpRequest | None = None,
        avoid: Collection[Backend] = (),
    ) -> Backend | None:
        if self._changed:
            self._catch_up()
        if avoid:
            return self.pick_without(request, avoid)
        return None if self._least is None else self._least.step()

    def joined(self, backend: Backend) -> None:
        load = backend.in_flight / backend.weight
        rotation = self._rotations.get(load)
        if rotation is None:
            rotation = self._rotations[load] = SmoothRotation(self._currents)
            heappush(self._loads, load)
        rotation.join(backend)
        self._load_of[backend] = load
        self._least = self._rotations[self._loads[0]]

    def left(self, backend: Backend) -> None:
        rotation = self._rotations[self._load_of.pop(backend)]
        rotation.leave(backend)
        # Only the least load needs a rotation that is not empty: the others are looked at when
        # they become the least.
        while self._loads and not self._rotations[self._loads[0]]:
            del self._rotations[heappop(self._loads)]
        self._least = self._rotations[self._loads[0]] if self._loads else None

    def reweighted(self, backend: Backend) -> None:
        self.left(backend)
        self.joined(backend)

    def opened(self, backend: Backend) -> None:
        self._changed[backend] = None

    def closed(self, backend: Backend) -> None:
        self._changed[backend] = None

    def _catch_up(self) -> None:
        """Files backends under the load that they have now.

        It is done no sooner than somebody asks: a request that was answered before the next pick
        has changed nothing, and leaving a rotation and joining it again changes nothing either.
        """
        for backend in self._changed:
            load = self._load_of.get(backend)
            if load is not None and load != backend.in_flight / backend.weight:
                self.reweighted(backend)
        self._changed.clear()

    def forgotten(self, backend: Backend) -> None:
        self._currents.pop(backend, None)
        self._changed.pop(backend, None)

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        self._catch_up()
        ordered = sorted(self._load_of, key=position)
        weights = {b: w for r in self._rotations.values() for b, w in r.current_weights().items()}
        return {
            "in_flight_per_weight": {b.name: self._load_of[b] for b in ordered},
            "current_weights": {b.name: weights[b] for b in ordered},
        }
