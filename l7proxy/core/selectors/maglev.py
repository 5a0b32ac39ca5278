"""`maglev`: a table with equally many slots for each unit of weight, one look for a pick.

D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016).
"""

from __future__ import annotations

from array import array
from itertools import cycle, islice

from l7proxy.core.config.algorithms import MaglevOptions
from l7proxy.core.selectors.hashing import hash64, identities
from l7proxy.core.selectors.lookup_table import LookupTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend, Weight


class Maglev(LookupTable):
    """Spreads keys more evenly than a ring; O(1) while a fair share of the pool is eligible.

    A key whose backend is not eligible tries other slots in an order of its own, so that the keys
    of a backend that leaves are spread over all others and nothing else moves. With a new backend
    the table is built anew, and a few keys move that need not: that is Maglev's bargain.
    """

    options = MaglevOptions
    rule = "the owner of the key's place in the table; where it can't be used, of the next place"

    def build(self, weights: Mapping[Backend, Weight]) -> tuple[Sequence[Backend], Sequence[int]]:
        size = self.settings.table_size
        hashes = {
            backend: hash64(name.encode("utf-8", "surrogatepass"))
            for backend, name in identities(weights).items()
        }
        # In an order of their own, so that their order in the configuration does not matter.
        backends = sorted(hashes, key=hashes.__getitem__)
        wanted = [hashes[backend] % size for backend in backends]
        skips = [(hashes[backend] >> 32) % (size - 1) + 1 for backend in backends]
        counts = [0] * len(backends)
        filled = bytearray(size)
        owners: list[Any] = [None] * size
        numbers = array("I", bytes(array("I").itemsize * size))
        equal = len(set(weights.values())) <= 1
        turns = cycle(range(len(backends))) if equal else _turns([weights[b] for b in backends])
        for turn in islice(turns, size):
            slot, skip = wanted[turn], skips[turn]
            while filled[slot]:
                slot += skip
                if slot >= size:
                    slot -= size
            filled[slot] = 1
            owners[slot] = backends[turn]
            numbers[slot] = counts[turn]
            counts[turn] += 1
            wanted[turn] = slot
        self._counts = dict(zip(backends, counts, strict=True))
        return owners, numbers

    def first_slot(self, key: bytes) -> int:
        return hash64(key) % len(self._owners)

    def further_slots(self, key: bytes, first: int) -> Iterable[int]:
        # A step below a prime reaches every slot.
        size = len(self._owners)
        step = (hash64(key) >> 32) % (size - 1) + 1
        return ((first + step * count) % size for count in range(1, size))

    def slots_of(self, backend: Backend) -> int:
        return max(1, round(self._counts[backend] * backend.weight / self._built_for[backend]))

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        return {
            **super().explain(request, avoid),
            "places": {backend.name: self.slots_of(backend) for backend in self.eligible},
        }


def _turns(weights: Sequence[Weight]) -> Iterator[int]:
    """Yields, without end, the index of the backend that gets the next slot.

    The heaviest gets one in every round, others in as many rounds as their weight allows.
    """
    most = max(weights)
    due = [0.0] * len(weights)
    rounds = 0
    while True:
        rounds += 1
        for turn, weight in enumerate(weights):
            if rounds * weight >= due[turn]:
                due[turn] += most
                yield turn
