"""`ring-hash`: points on a ring, place for place as nginx's `hash $key consistent` (ketama)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from zlib import crc32

from l7proxy.core.config.algorithms import RingOptions
from l7proxy.core.selectors.hashing import identities
from l7proxy.core.selectors.places import Places, round_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from l7proxy.core.backend import Backend


class RingHash(Places):
    """A key goes to the next point on the ring whose backend is eligible.

    Every backend has 160 points (`points`) per unit of weight. O(log n) for a pick, while a fair
    share of the pool is eligible.
    """

    options = RingOptions

    def build(self, weights: Mapping[Backend, float]) -> tuple[Sequence[Backend], Sequence[int]]:
        backends = list(weights)
        # Sorted as (point, place in the order of the configuration, number).
        entries = sorted(
            (point, place, number)
            for place, (backend, name) in enumerate(identities(backends).items())
            for number, point in enumerate(chain_of_points(name, self._points(weights[backend])))
        )
        # Of points that coincide, the first counts: nginx drops the others, too.
        self._ring: array[int] = array("L")
        owners, numbers, last = [], array("L"), -1
        for point, place, number in entries:
            if point != last:
                self._ring.append(point)
                owners.append(backends[place])
                numbers.append(number)
                last = point
        return owners, numbers

    def first_place(self, key: bytes) -> int:
        place = bisect_left(self._ring, crc32(key))
        return 0 if place == len(self._ring) else place

    def further_places(self, key: bytes, first: int) -> Iterable[int]:
        return round_from(first, len(self._ring))

    def places_of(self, backend: Backend) -> int:
        return self._points(backend.weight)

    def explain(self) -> Mapping[str, Any]:
        return {"points": {b.name: self.places_of(b) for b in self.eligible}}

    def _points(self, weight: float) -> int:
        points: int = self.settings.points
        return max(1, round(weight * points))


def chain_of_points(address: str, count: int) -> Iterator[int]:
    """The points of an address: a chain of CRC-32s over host, NUL, port and the point before."""
    host, colon, port = address.rpartition(":")
    if address[:5].lower() == "unix:":
        host, port = address[5:], ""
    elif not colon or not (port.isascii() and port.isdigit()):
        host, port = address, ""
    start = crc32(f"{host}\0{port}".encode("utf-8", "surrogatepass"))
    point = 0
    for _ in range(count):
        point = crc32(point.to_bytes(4, "little"), start)
        yield point
