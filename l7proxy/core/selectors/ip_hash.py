"""`ip-hash`: by the client's network, pick for pick as nginx's `ip_hash` does it.

The first three bytes of an IPv4 address, or all of an IPv6 address, are hashed to a point on a
line, on which each backend has a stretch as long as its weight. A backend that is not eligible
keeps its stretch, so that only its own clients go elsewhere: to the point that hashing once more
gives.
"""

from __future__ import annotations

from bisect import bisect_right
from ipaddress import IPv6Address
from itertools import accumulate

from l7proxy.core.flags import REMOVED
from l7proxy.core.selectors.base import Selector
from l7proxy.core.selectors.smooth import SmoothRotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend, Weight

_MODULUS = 6271
_TRIES = 21
_GOLDEN = 0.6180339887498949


class IpHash(Selector):
    """Picks by the client's network; after 21 hashes in vain, by smooth weighted round robin.

    O(log n) for a pick. The stretches are those of all backends of the pool, so that another
    weight or another backend moves most clients; `ring-hash` with the key `client_ip` moves few.
    """

    rule = "the owner of the place to which the client's network hashes, else of the next"

    def prepare(self) -> None:
        self._rotation = SmoothRotation()
        self._owners: list[Backend] = []
        self._weights: dict[Backend, Weight] = {}
        self._outdated = True

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        if not self._rotation:
            return None
        if self._outdated:
            self._rebuild()
        octets = network(request.client_ip if request is not None else "")
        hashed = 89
        for _ in range(_TRIES):
            for octet in octets:
                hashed = (hashed * 113 + octet) % _MODULUS
            # nginx knows whole weights only. Others are reached by steps of the golden ratio,
            # because the remainder would hardly depend on the client.
            point = hashed % self._total if self._as_integer else hashed * _GOLDEN % 1 * self._total
            backend = self._owners[bisect_right(self._ends, point)]
            if backend.eligible and backend not in avoid:
                return backend
        return self._rotation.step(avoid)

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        octets = network(request.client_ip if request is not None else "")
        return {"network": ".".join(map(str, octets)), **super().explain(request, avoid)}

    def joined(self, backend: Backend) -> None:
        self._rotation.join(backend)
        self._outdated = self._outdated or self._weights.get(backend) != backend.weight

    def left(self, backend: Backend) -> None:
        self._rotation.leave(backend)

    def reweighted(self, backend: Backend) -> None:
        self._rotation.leave(backend)
        self._rotation.join(backend)
        self._outdated = True

    def forgotten(self, backend: Backend) -> None:
        self._rotation.forget(backend)
        self._outdated = True

    def _rebuild(self) -> None:
        self._owners = [backend for backend in self.backends if not backend.flags & REMOVED]
        self._weights = {backend: backend.weight for backend in self._owners}
        self._ends = list(accumulate(self._weights.values()))
        self._total = self._ends[-1] if self._ends else 0
        self._as_integer = self._total == int(self._total)
        self._outdated = False


def network(client: str) -> bytes:
    """Returns the bytes that are hashed of a client's address, or of the name it has instead."""
    if ":" in client:
        try:
            return IPv6Address(client).packed
        except ValueError:
            return client.encode("utf-8", "surrogatepass")
    parts = client.split(".")
    if len(parts) == 4 and all(map(_is_octet, parts)):
        return bytes(map(int, parts[:3]))
    return client.encode("utf-8", "surrogatepass")


def _is_octet(text: str) -> bool:
    # Python refuses to convert numbers of very many digits.
    return len(text) <= 3 and text.isascii() and text.isdigit() and int(text) < 256
