"""Samples by weight."""

from __future__ import annotations

from random import Random

from l7proxy.core.selectors.weighted_sampler import WeightedSampler
from tests.core.selectors.support import pool_of


def test_a_sample_gives_every_backend_a_chance() -> None:
    pool = pool_of("random", *range(1, 8))
    sampler = WeightedSampler(Random(0))
    for backend in pool.backends:
        sampler.add(backend)
    assert {sampler.one() for _ in range(400)} == set(pool.backends)
