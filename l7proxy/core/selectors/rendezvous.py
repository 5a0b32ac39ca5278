"""`rendezvous`: every backend bids for every key, and the highest bid has it.

D. Thaler and C. Ravishankar, "A name-based mapping scheme for rendezvous" (1996); the weights
after J. Resch, "New hashing algorithms for data storage" (2015).
"""

from __future__ import annotations

from math import log

from l7proxy.core.config.algorithms import HashOptions
from l7proxy.core.selectors.base import Selector
from l7proxy.core.selectors.hash_key import hash_key
from l7proxy.core.selectors.hashing import hash64, identities, mix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend


class Bids:
    """The bids of backends for hashed keys. Each backend's seed is computed once."""

    def __init__(self) -> None:
        self._seeds: dict[Backend, int] = {}

    def know(self, backends: Collection[Backend]) -> None:
        """Computes the seeds of exactly these backends."""
        self._seeds = {
            backend: hash64(name.encode("utf-8", "surrogatepass"))
            for backend, name in identities(backends).items()
        }

    def knows(self, backend: Backend) -> bool:
        return backend in self._seeds

    def highest(self, key: int, backends: Collection[Backend]) -> Backend | None:
        """Who of `backends` bids most for the key, or None where there is nobody. O(n)."""
        # With u spread evenly over (0, 1), -log(u) / weight is least for a backend with a
        # probability in proportion to its weight.
        best, least = None, 0.0
        for backend in backends:
            u = (mix(key ^ self._seeds[backend]) + 1) * 2.0**-64
            bid = -log(u) / backend.weight
            if best is None or bid < least:
                best, least = backend, bid
        return best

    def bid(self, key: int, backend: Backend) -> float:
        """What a backend bids, in the form in which `highest` compares: the least wins."""
        return -log((mix(key ^ self._seeds[backend]) + 1) * 2.0**-64) / backend.weight


class Rendezvous(Selector):
    """No table, no memory but a number for each backend, and exact weights at any time.

    A pick asks everyone: O(n) by its definition.
    """

    options = HashOptions
    rule = "the least -log(u) / weight, with u from 0 to 1 hashed from key and backend"

    def prepare(self) -> None:
        self._key = hash_key(self.settings.hash_key)
        self._bids = Bids()
        self._bids.know(self.backends)

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        wanted: Collection[Backend] = self.eligible
        if avoid:
            wanted = [backend for backend in wanted if backend not in avoid]
        return self._bids.highest(hash64(self._key(request)), wanted)

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        key = self._key(request)
        hashed = hash64(key)
        scores = {b.name: self._bids.bid(hashed, b) for b in self.eligible if b not in avoid}
        return {"key": key.decode("utf-8", "backslashreplace"), "bids": scores}

    def joined(self, backend: Backend) -> None:
        super().joined(backend)
        if not self._bids.knows(backend):
            self._bids.know(self.backends)
