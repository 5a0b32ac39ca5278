"""Retries: the budget, and how long to wait."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config.policies import RetryConfig
from l7proxy.core.retry import RetryPolicy


def policy(**settings: object) -> RetryPolicy:
    return RetryPolicy(RetryConfig(**settings), Random(0))  # type: ignore[arg-type]


def test_the_budget_is_a_share_of_the_requests_in_flight() -> None:
    retry = policy(budget=0.2, budget_min=0)
    retry.in_flight = 3
    assert [retry.affords(requests) for requests in (15, 16, 100)] == [False, True, True]
    assert retry.denied == 1


def test_with_little_traffic_a_few_are_allowed_all_the_same() -> None:
    retry = policy(budget=0.2, budget_min=2)
    assert retry.affords(1)
    retry.in_flight = 2
    assert not retry.affords(1)


@given(st.integers(1, 100), st.floats(0.001, 100), st.floats(0, 100))
def test_a_wait_is_part_of_a_doubling_limit(attempts: int, backoff: float, most: float) -> None:
    retry = policy(backoff=backoff, backoff_max=most)
    assert 0 <= retry.backoff(attempts) <= min(backoff * 2 ** (attempts - 1), most)


def test_without_backoff_there_is_no_wait() -> None:
    assert policy().backoff(5) == 0
