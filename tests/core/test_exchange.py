"""One request's life, step by step, with nothing but a pool and a hand on the clock."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import Exchange, HttpRequest, HttpResponse, Proxy, config_from
from l7proxy.core.exchange_state import (
    ATTEMPTING,
    BACKING_OFF,
    ENDED,
    QUEUED,
    RESPONDING,
    State,
)
from l7proxy.core.http.local_reply import BAD_REQUEST, CONNECT_FAILED, GARBAGE, RESET


class Story:
    """A proxy with the pool `p`, whose backends are those that `names` spells."""

    def __init__(self, names: str = "ab", **pool: Any) -> None:
        backends = [{"address": f"{name}:1", **pool.pop("each", {})} for name in names]
        config = config_from({"backend_pools": {"p": {"backends": backends, **pool}}})
        self.proxy = Proxy(config, Random(0))
        self.pool = self.proxy.pools["p"]

    def open(self, now: float = 0.0, method: str = "GET") -> Exchange:
        return self.proxy.open(HttpRequest(method, "/p"), now)

    def begin(self, now: float = 0.0, method: str = "GET") -> Exchange:
        """One whose attempt takes time."""
        exchange = self.open(now, method)
        exchange.started(now)
        return exchange

    def in_flight(self) -> dict[str, int]:
        return {backend.name: backend.in_flight for backend in self.pool.backends}


def outcome(exchange: Exchange) -> tuple[State, int | None, str | None]:
    """Its state, the status of its response, and the name of why."""
    response, local_reply = exchange.response, exchange.local_reply
    return (
        exchange.state,
        None if response is None else response.status,
        None if local_reply is None else local_reply.name,
    )


def test_a_response_that_is_passed_on_holds_the_backend_until_it_is_complete() -> None:
    story = Story("a")
    exchange = story.begin()
    assert exchange.responded(200, 1.0)
    assert (exchange.state, story.in_flight()) == (RESPONDING, {"a": 1})
    assert story.proxy.next_deadline() is None
    exchange.completed(2.0)
    assert (exchange.state, story.in_flight()) == (ENDED, {"a": 0})


def test_a_response_that_breaks_off_is_not_tried_again() -> None:
    story = Story()
    exchange = story.begin()
    exchange.responded(200, 1.0)
    exchange.failed(RESET, 2.0)
    assert outcome(exchange) == (ENDED, None, "reset")
    assert (exchange.attempts, story.in_flight()) == (1, {"a": 0, "b": 0})


def test_what_is_reported_after_the_end_changes_nothing() -> None:
    story = Story("a")
    exchange = story.begin()
    exchange.answered(HttpResponse(200), 1.0)
    exchange.answered(HttpResponse(500), 2.0)
    exchange.failed(RESET, 2.0)
    exchange.completed(2.0)
    exchange.cancelled(2.0)
    assert outcome(exchange) == (ENDED, 200, None)
    assert (story.in_flight(), story.pool.active) == ({"a": 0}, 0)


@pytest.mark.parametrize(("method", "sent", "attempts"), [
    ("GET", True, 2), ("GET", False, 2), ("PUT", True, 2),
    ("POST", True, 1), ("POST", False, 2), ("PATCH", True, 1),
])  # fmt: skip
def test_what_reached_a_backend_is_repeated_only_where_that_does_no_harm(
    method: str, sent: bool, attempts: int
) -> None:
    story = Story()
    exchange = story.open(method=method)
    exchange.failed(GARBAGE if sent else CONNECT_FAILED, 0.0, sent=sent)
    assert exchange.attempts == attempts


def test_what_can_not_be_repeated_is_not() -> None:
    exchange = Story().open()
    exchange.repeatable = False
    exchange.failed(CONNECT_FAILED, 0.0, sent=False)
    assert outcome(exchange) == (ENDED, 502, "connect_failed")


def test_a_retry_goes_to_each_backend_once() -> None:
    story = Story("abc", retries={"attempts": 9})
    exchange = story.open()
    names = []
    while exchange.state is ATTEMPTING:
        assert exchange.backend is not None
        names.append(exchange.backend.name)
        exchange.failed(RESET, 0.0)
    assert names == ["a", "b", "c"]
    assert not story.pool.retry.counted


def test_after_a_wait_one_that_was_tried_before_is_better_than_none() -> None:
    story = Story("a", retries={"backoff": 1})
    exchange = story.begin()
    exchange.failed(RESET, 0.0)
    assert (exchange.state, story.in_flight()) == (BACKING_OFF, {"a": 0})
    story.proxy.timers.advance(1.0)
    assert (exchange.state, exchange.attempts) == (ATTEMPTING, 2)
    assert list(story.proxy.ready) == [exchange]


def test_no_retry_begins_after_the_requests_deadline() -> None:
    story = Story(timeouts={"attempt": None, "request": 2})
    exchange = story.begin()
    assert exchange.has_deadline
    story.proxy.timers.advance(2.0)
    assert outcome(exchange) == (ENDED, 504, "timed_out")
    assert exchange.attempts == 1


def test_a_wait_that_would_outlast_the_deadline_is_not_begun() -> None:
    story = Story(timeouts={"request": 2}, retries={"backoff": 1000, "backoff_max": 1000})
    exchange = story.begin(0.0)
    exchange.failed(RESET, 1.0)
    assert outcome(exchange) == (ENDED, 502, "reset")


def test_without_any_timeout_an_attempt_may_take_for_ever() -> None:
    story = Story("a", timeouts={"attempt": None})
    exchange = story.begin()
    assert (exchange.has_deadline, story.proxy.next_deadline()) == (False, None)


def test_a_status_that_is_retried_is_passed_on_when_there_is_nobody_else() -> None:
    story = Story("a", retries={"retry_on": [503]})
    exchange = story.begin()
    exchange.answered(HttpResponse(503), 0.0)
    assert outcome(exchange) == (ENDED, 503, None)


def test_a_dropped_response_comes_back_when_the_retry_finds_no_backend() -> None:
    story = Story("a", retries={"retry_on": [500], "backoff": 1})
    exchange = story.begin()
    exchange.answered(HttpResponse(500, None, b"sorry"), 0.0)
    story.pool.set_state(story.pool.backends[0], "maint", 0.1)
    story.proxy.timers.advance(1.0)
    assert outcome(exchange) == (ENDED, 500, None)
    assert exchange.response is not None and exchange.response.body == b"sorry"


def test_of_a_dropped_response_that_was_not_kept_the_status_is_left() -> None:
    story = Story("a", retries={"retry_on": [500], "backoff": 1})
    exchange = story.begin()
    assert not exchange.responded(500, 0.0)
    story.pool.set_state(story.pool.backends[0], "maint", 0.1)
    story.proxy.timers.advance(1.0)
    assert outcome(exchange) == (ENDED, 500, "upstream_error")


def test_who_waits_in_the_queue_longer_than_it_allows_is_told_503() -> None:
    story = Story("a", each={"max_connections": 1}, queue={"timeout": 1})
    story.begin()
    waiting = story.open()
    assert (waiting.state, len(story.pool.queue)) == (QUEUED, 1)
    story.proxy.timers.advance(1.0)
    assert outcome(waiting) == (ENDED, 503, "no_backend")
    assert len(story.pool.queue) == 0


def test_a_deadline_met_in_the_queue_is_a_504() -> None:
    story = Story("a", each={"max_connections": 1}, timeouts={"request": 1})
    story.begin().responded(200, 0.0)
    waiting = story.open(0.5)
    story.proxy.timers.advance(1.5)
    assert outcome(waiting) == (ENDED, 504, "timed_out")


def test_who_is_cancelled_leaves_the_queue_and_the_retries() -> None:
    story = Story("a", each={"max_connections": 1}, retries={"backoff": 1})
    tried = story.begin()
    tried.failed(RESET, 0.0)
    holder, waiting = story.begin(), story.open()
    story.proxy.timers.advance(1.0)
    assert len(story.pool.queue) == 2
    for exchange in (waiting, tried):
        exchange.cancelled(1.0)
    assert (len(story.pool.queue), len(story.pool.retry.counted)) == (0, 0)
    holder.cancelled(1.0)
    assert story.in_flight() == {"a": 0}


def test_who_is_cancelled_with_a_place_just_found_is_not_started() -> None:
    story = Story("a", each={"max_connections": 1})
    holder, waiting = story.begin(), story.open()
    holder.answered(HttpResponse(200), 1.0)
    assert list(story.proxy.ready) == [waiting]
    waiting.cancelled(1.0)
    assert (list(story.proxy.ready), story.in_flight()) == ([], {"a": 0})


def test_giving_an_attempt_up_tells_its_upstream() -> None:
    story, told = Story("a"), []
    late, cancelled = story.begin(), story.begin()
    late.on_abandon = lambda: told.append("late")
    cancelled.on_abandon = lambda: told.append("cancelled")
    cancelled.cancelled(1.0)
    story.proxy.timers.advance(60.0)
    assert told == ["cancelled", "late"]


def test_the_circuit_is_named_only_for_the_backend_that_answers() -> None:
    story = Story(breaker={"failures": 1})
    exchange = story.begin()
    exchange.failed(RESET, 0.0)
    exchange.answered(HttpResponse(200), 0.0)
    assert exchange.circuit_state is None
    exchange.name_circuit()
    assert exchange.circuit_state == "closed"


def test_where_there_is_no_breaker_there_is_no_circuit_to_name() -> None:
    exchange = Story("a").open()
    exchange.name_circuit()
    assert exchange.circuit_state is None


def test_a_request_that_can_not_be_written_is_refused_and_blames_nobody() -> None:
    story = Story("a", breaker={})
    exchange = story.open()
    exchange.reject(BAD_REQUEST, 0.0)
    assert exchange.state is ENDED and exchange.backend is None
    exchange.reject(BAD_REQUEST, 0.0)
    assert story.in_flight() == {"a": 0}
    assert story.pool.backends[0].failures == 0
