"""Retries: the budget, and how long to wait."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config.policies import RetryConfig
from l7proxy.core.http.local_reply import CONNECT_FAILED, RESET
from l7proxy.core.policies.retry import RetryPolicy
from tests.core.test_exchange import Story


def policy(**settings: object) -> RetryPolicy:
    return RetryPolicy(RetryConfig(**settings), Random(0))  # type: ignore[arg-type]


def test_the_budget_is_a_share_of_the_requests_in_flight() -> None:
    story = Story("ab", retries={"budget": 0.2, "budget_min": 0})
    exchanges = [story.begin() for _ in range(16)]
    for exchange in exchanges:
        exchange.failed(RESET, 0.0)
    # A fifth of 16, of 15 and so on: those that are denied end, and are in flight no more.
    assert [exchange.attempts for exchange in exchanges] == [2] * 4 + [1] * 12
    assert (len(story.pool.retry.counted), story.pool.retry.denied) == (4, 12)


def test_with_little_traffic_a_few_are_allowed_all_the_same() -> None:
    story = Story("ab", retries={"budget": 0.2, "budget_min": 2})
    exchanges = [story.begin() for _ in range(3)]
    for exchange in exchanges:
        exchange.failed(RESET, 0.0)
    assert [exchange.attempts for exchange in exchanges] == [2, 2, 1]


def test_who_is_on_the_budget_stays_on_it() -> None:
    story = Story("abc", retries={"budget": 0, "budget_min": 1})
    first, second = story.begin(), story.begin()
    for exchange in (first, second, first):
        exchange.failed(RESET, 0.0)
    assert (first.attempts, second.attempts, story.pool.retry.denied) == (3, 1, 1)
    first.failed(RESET, 0.0)
    assert not story.pool.retry.counted


def test_where_nothing_was_sent_the_budget_has_no_say() -> None:
    story = Story("ab", retries={"budget": 0, "budget_min": 0})
    exchange = story.begin()
    exchange.failed(CONNECT_FAILED, 0.0, sent=False)
    assert (exchange.attempts, len(story.pool.retry.counted)) == (2, 0)


def test_with_the_whole_budget_everyone_may_wait_for_another_attempt_at_once() -> None:
    story = Story("ab", retries={"budget": 1, "budget_min": 0, "backoff": 1})
    exchanges = [story.begin() for _ in range(20)]
    for exchange in exchanges:
        exchange.failed(RESET, 0.0)
    assert (story.pool.active, story.pool.requests, story.pool.retry.denied) == (0, 20, 0)
    story.proxy.timers.advance(1.0)
    assert (story.pool.active, story.pool.requests) == (20, 20)


@given(st.integers(1, 100), st.floats(0.001, 100), st.floats(0, 100))
def test_a_wait_is_part_of_a_doubling_limit(attempts: int, backoff: float, most: float) -> None:
    retry = policy(backoff=backoff, backoff_max=most)
    assert 0 <= retry.backoff(attempts) <= min(backoff * 2 ** (attempts - 1), most)


def test_without_backoff_there_is_no_wait() -> None:
    assert policy().backoff(5) == 0
