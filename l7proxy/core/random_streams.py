"""Chance in separate streams: what one part of the proxy draws never shifts what another draws."""

from __future__ import annotations

from random import Random


class RandomStreams:
    """Makes independent, reproducible streams of random numbers, each known by its name."""

    def __init__(self, source: Random) -> None:
        self._seed = source.getrandbits(64)

    def stream(self, name: str) -> Random:
        """The stream of that name: always the same for the same source and name."""
        return Random(f"{self._seed} {name}")
