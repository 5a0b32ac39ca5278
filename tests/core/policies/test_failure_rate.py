"""Failure rates over a window, beside a count of every outcome."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config.policies import FailureRateConfig
from l7proxy.core.policies.failure_rate import SLICES, FailureRate

WINDOW = 10.0
outcomes = st.lists(st.tuples(st.sampled_from((0.0, 0.1, 0.9, 3.0, 30.0)), st.booleans()))


@given(outcomes, st.sampled_from((0.25, 0.5, 1.0)), st.integers(1, 5))
def test_it_judges_as_one_would_who_remembers_all(
    gaps: list[tuple[float, bool]], share: float, least: int
) -> None:
    rate = FailureRate(FailureRateConfig(share=share, window=WINDOW, min_requests=least))
    now, seen = 0.0, []
    for gap, failed in gaps:
        now += gap
        slot = int(now * SLICES / WINDOW)
        seen.append((slot, failed))
        recent = [bad for at, bad in seen if at > slot - SLICES]
        too_many = len(recent) >= least and sum(recent) >= share * len(recent)
        assert rate.add(now, failed=failed) is too_many


def test_a_good_one_that_turns_out_bad_is_one_outcome_and_one_failure() -> None:
    rate = FailureRate(FailureRateConfig(share=0.5, min_requests=4))
    assert [rate.add(0.0, failed=False) for _ in range(4)] == 4 * [False]
    assert [rate.add_late_failure(0.0), rate.add_late_failure(0.0)] == [False, True]


def test_the_window_slides_for_one_that_turns_out_bad_as_for_any() -> None:
    rate = FailureRate(FailureRateConfig(share=0.5, window=WINDOW, min_requests=1))
    rate.add(0.0, failed=False)
    assert not rate.add_late_failure(WINDOW)


def test_what_was_cleared_is_forgotten() -> None:
    rate = FailureRate(FailureRateConfig(share=0.5, min_requests=2))
    rate.add(100.0, failed=True)
    rate.clear()
    assert not rate.add(100.0, failed=True)
    assert rate.add(100.0, failed=True)
