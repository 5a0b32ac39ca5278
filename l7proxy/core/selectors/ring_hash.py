"""`ring-hash`: points on a ring, pick for pick as nginx's `hash $key consistent` (ketama)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from zlib import crc32

from l7proxy.core.config.algorithms import RingOptions
from l7proxy.core.selectors.hashing import identities
from l7proxy.core.selectors.lookup_table import LookupTable, round_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend, Weight

_MOST_POINTS = 10_000_000
"""More would take half a minute and a gigabyte to sort."""


class RingHash(LookupTable):
    """Picks the owner of the next point on the ring whose backend is eligible.

    Every backend has 160 points (`points`) per unit of weight. O(log n) for a pick, while a fair
    share of the pool is eligible.
    """

    options = RingOptions
    rule = "the next point on the ring whose backend can be used"

    def check_weights(self, weights: Iterable[Weight]) -> None:
        self._allow(sum(map(self._points, weights)))

    def check_weight(self, weight: Weight, instead_of: Backend | None = None) -> None:
        # To ask all of them each time takes time by the square of how many are added.
        gone = 0 if instead_of is None else self._points(instead_of.full_weight)
        self._allow(self._allowed + self._points(weight) - gone)

    def removed(self, backend: Backend) -> None:
        self._allowed -= self._points(backend.full_weight)

    def _allow(self, points: int) -> None:
        if points > _MOST_POINTS:
            raise ValueError(
                f"the ring would have {points:,} points, and {_MOST_POINTS:,} is the limit: "
                "give fewer points for each unit of weight"
            )
        self._allowed = points
        """The points of all backends that were not removed, eligible or not."""

    def build(self, weights: Mapping[Backend, Weight]) -> tuple[Sequence[Backend], Sequence[int]]:
        points: list[int] = []
        owners: list[Backend] = []
        numbers = array("I")
        for backend, address in identities(weights).items():
            count = self._points(weights[backend])
            points += chain_of_points(address, count)
            owners += [backend] * count
            numbers.extend(range(count))
        # As floats they are sorted in half the time. Points that coincide stay in order, so that
        # the first of them is found, and the others never: nginx drops them.
        order = sorted(range(len(points)), key=list(map(float, points)).__getitem__)
        self._ring = array("I", map(points.__getitem__, order))
        return [owners[point] for point in order], array("I", map(numbers.__getitem__, order))

    def first_slot(self, key: bytes) -> int:
        slot = bisect_left(self._ring, crc32(key))
        return 0 if slot == len(self._ring) else slot

    def further_slots(self, key: bytes, first: int) -> Iterable[int]:
        return round_from(first, len(self._ring))

    def slots_of(self, backend: Backend) -> int:
        return self._points(backend.weight)

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        return {
            **super().explain(request, avoid),
            "points": {b.name: self.slots_of(b) for b in self.eligible},
        }

    def _points(self, weight: Weight) -> int:
        points: int = self.settings.points
        return max(1, round(weight * points))


def chain_of_points(address: str, count: int) -> list[int]:
    """Returns an address's points: a chain of CRC-32s of host, NUL, port and the point before."""
    host, colon, port = address.rpartition(":")
    if address[:5].lower() == "unix:":
        host, port = address[5:], ""
    elif not colon or not (port.isascii() and port.isdigit()):
        host, port = address, ""
    start = crc32(f"{host}\0{port}".encode("utf-8", "surrogatepass"))
    points, point, as_bytes = [], 0, int.to_bytes
    for _ in range(count):
        point = crc32(as_bytes(point, 4, "little"), start)
        points.append(point)
    return points
