"""Randomness in separate streams: what one part of the proxy draws never shifts what another draws.

Without this, a proxy in which health checks are configured would pick other backends than the same
proxy without them, though both are given the same seed.
"""

from __future__ import annotations

from random import Random


class RandomStreams:
    """Makes independent, reproducible generators of random numbers, each known by its name."""

    def __init__(self, source: Random) -> None:
        """Draws one number from `source`, from which all streams follow."""
        self._seed = source.getrandbits(64)

    def stream(self, name: str) -> Random:
        """Returns a generator that depends on nothing but the source's state then and the name."""
        return Random(f"{self._seed} {name}")
