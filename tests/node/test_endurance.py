"""One reply for each request, in order, and no memory kept of it: a short run of the benchmark."""

from __future__ import annotations

import pytest

from benchmarks.endurance import MOST_GROWTH, Endurance


def test_each_request_is_answered_once_in_order_among_garbage_and_in_the_same_memory() -> None:
    short, longer = Endurance(2_000), Endurance(20_000)
    assert (short.problem, longer.problem) == (None, None)
    assert longer.peak <= MOST_GROWTH * short.peak


@pytest.mark.long
def test_so_are_a_million() -> None:
    short, long = Endurance(10_000), Endurance(1_000_000)
    assert (short.problem, long.problem) == (None, None)
    assert long.peak <= MOST_GROWTH * short.peak
