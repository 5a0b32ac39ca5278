"""`rendezvous`: every backend has a score for every key, and the best one gets it.

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
    from l7proxy.core.pool.backend import Backend, Weight


class Scores:
    """The scores of backends for hashed keys; a key belongs to the backend with the least."""

    def __init__(self) -> None:
        self._seeds: dict[Backend, int] = {}
        """A hash of each backend, computed once."""

    def seed(self, backends: Collection[Backend]) -> None:
        """Computes the seeds of exactly these backends."""
        self._seeds = {
            backend: hash64(name.encode("utf-8", "surrogatepass"))
            for backend, name in identities(backends).items()
        }

    def has_seed(self, backend: Backend) -> bool:
        """Returns whether the backend was among those that were seeded last."""
        return backend in self._seeds

    def best(self, key: int, backends: Collection[Backend]) -> Backend | None:
        """Returns the first of `backends` with the least score; None where there are none.

        O(n).
        """
        best, least = None, 0.0
        seeds = self._seeds
        for backend in backends:
            score = _score(key, seeds[backend], backend.weight)
            if best is None or score < least:
                best, least = backend, score
        return best

    def score(self, key: int, backend: Backend) -> float:
        """Returns a backend's score for a key: 0 or more, the least is the best."""
        return _score(key, self._seeds[backend], backend.weight)


def _score(key: int, seed: int, weight: Weight) -> float:
    # With u spread evenly over (0, 1), -log(u) / weight is least for a backend with a probability
    # in proportion to its weight.
    return -log((mix(key ^ seed) + 1) * 2.0**-64) / weight


class Rendezvous(Selector):
    """Needs no table, a number for each backend, and has exact weights at any time.

    A pick scores every eligible backend: O(n) by its definition.
    """

    options = HashOptions
    rule = "the least -log(u) / weight, with u from 0 to 1 hashed from key and backend"

    def prepare(self) -> None:
        self._key = hash_key(self.settings.hash_key)
        self._scores = Scores()
        self._scores.seed(self.backends)

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        wanted: Collection[Backend] = self.eligible
        if avoid:
            wanted = [backend for backend in wanted if backend not in avoid]
        return self._scores.best(hash64(self._key(request)), wanted)

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        key = self._key(request)
        hashed = hash64(key)
        scores = {b.name: self._scores.score(hashed, b) for b in self.eligible if b not in avoid}
        return {"key": key.decode("utf-8", "backslashreplace"), "bids": scores}

    def joined(self, backend: Backend) -> None:
        super().joined(backend)
        if not self._scores.has_seed(backend):
            self._scores.seed(self.backends)
