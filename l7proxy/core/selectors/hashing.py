"""Hashes of 64 bits that are the same in every process and on every machine."""

from __future__ import annotations

from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from l7proxy.core.pool.backend import Backend

_MASK = (1 << 64) - 1


def hash64(data: bytes) -> int:
    """Returns 64 bits of BLAKE2b: the fastest hash of the standard library that mixes well."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def mix(bits: int) -> int:
    """Spreads 64 bits over 64 bits (the finalizer of SplitMix64, by D. Stafford and S. Vigna)."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & _MASK
    return bits ^ (bits >> 31)


def identities(backends: Iterable[Backend]) -> dict[Backend, str]:
    """Returns the text by which each backend is hashed: its address, never its position.

    So the same backends in another order, or with some missing, get the same hashes. Where
    several have the same address, the later ones are told apart by their names.
    """
    found: dict[Backend, str] = {}
    seen: set[str] = set()
    for backend in backends:
        address = backend.address.partition("://")[2] or backend.address
        found[backend] = f"{address}\n{backend.name}" if address in seen else address
        seen.add(address)
    return found
