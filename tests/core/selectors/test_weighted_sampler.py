"""Draws by weight."""

from __future__ import annotations

from random import Random

from l7proxy.core.selectors.weighted_sampler import WeightedSampler
from tests.core.selectors.support import pool_of


def test_a_draw_gives_everybody_a_chance() -> None:
    pool = pool_of("random", *range(1, 8))
    draw = WeightedSampler(Random(0))
    for backend in pool.backends:
        draw.add(backend)
    assert {draw.one() for _ in range(400)} == set(pool.backends)
