"""`bounded-load`: a ring on which no backend is given much more than the average.

V. Mirrokni, M. Thorup and M. Zadimoghaddam, "Consistent hashing with bounded loads" (2016): a
key whose backend is full goes on to the next on the ring.
"""

from __future__ import annotations

from l7proxy.core.config.algorithms import BoundedLoadOptions
from l7proxy.core.selectors.ring_hash import RingHash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend, Weight


class BoundedLoad(RingHash):
    """Gives no backend a request beyond `factor` times the average in flight, rounded up.

    The average is over the eligible backends, by weight, with the new request counted in. How
    far a key goes on depends on the factor and not on n: O(log n) for a pick.
    """

    options = BoundedLoadOptions
    rule = "the next point on the ring whose backend has room, by the load that is allowed"

    def prepare(self) -> None:
        super().prepare()
        self._in_flight = 0
        """Requests on all eligible backends together."""
        self._weights: dict[Backend, Weight] = {}
        self._weight = 0.0
        """The weight of all eligible backends together."""

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        if avoid:
            return self.pick_without(request, avoid)
        full = _Full(self.settings.factor * (self._in_flight + 1), self._weight)
        return self.find(self._key(request), full)

    def joined(self, backend: Backend) -> None:
        super().joined(backend)
        self._in_flight += backend.in_flight
        self._weigh(backend, backend.weight)

    def left(self, backend: Backend) -> None:
        super().left(backend)
        self._in_flight -= backend.in_flight
        self._weigh(backend, 0)

    def reweighted(self, backend: Backend) -> None:
        super().reweighted(backend)
        self._weigh(backend, backend.weight)

    def opened(self, backend: Backend) -> None:
        if backend.eligible:
            self._in_flight += 1

    def closed(self, backend: Backend) -> None:
        if backend.eligible:
            self._in_flight -= 1

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        room = self.settings.factor * (self._in_flight + 1)
        return {
            **super().explain(request, avoid),
            "in_flight": self._in_flight,
            "room": {b.name: room * b.weight / self._weight for b in self.eligible},
        }

    def _weigh(self, backend: Backend, weight: Weight) -> None:
        self._weight += weight - self._weights.pop(backend, 0)
        if weight:
            self._weights[backend] = weight


class _Full:
    """Contains the backends without room: those with their share by weight of `room`, or more."""

    __slots__ = ("_room", "_weight")

    def __init__(self, room: float, weight: Weight) -> None:
        self._room = room
        self._weight = weight

    def __contains__(self, backend: object) -> bool:
        if TYPE_CHECKING:
            assert isinstance(backend, Backend)
        return backend.in_flight * self._weight >= self._room * backend.weight
