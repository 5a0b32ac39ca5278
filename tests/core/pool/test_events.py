"""A observer that cares for nothing still has an answer to everything."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core import HttpResponse
from l7proxy.core.exchange import Exchange
from l7proxy.core.http.local_reply import RESET
from l7proxy.core.policies.base import AttemptObserver
from tests.core.test_exchange import Story

EVENTS = ("began", "succeeded", "completed", "broke_off", "failed", "dropped")


class Diary(AttemptObserver):
    """Writes down every event and when the attempt began."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []


def _noting(event: str) -> Any:
    return lambda diary, backend, *times: diary.heard.append((event, times[0]))


for event in EVENTS:
    setattr(Diary, event, _noting(event))


def respond(exchange: Exchange) -> None:
    exchange.responded(200, 2.0)


def respond_badly(exchange: Exchange) -> None:
    exchange.responded(500, 2.0)


def complete(exchange: Exchange) -> None:
    exchange.completed(3.0)


def answer(exchange: Exchange) -> None:
    exchange.answered(HttpResponse(200), 3.0)


def answer_badly(exchange: Exchange) -> None:
    exchange.answered(HttpResponse(500), 3.0)


def break_off(exchange: Exchange) -> None:
    exchange.failed(RESET, 4.0)


def leave(exchange: Exchange) -> None:
    exchange.cancelled(4.0)


@pytest.mark.parametrize(("steps", "events", "failures"), [
    ((respond, complete), ("succeeded", "completed"), 0),
    ((answer,), ("succeeded", "completed"), 0),
    ((respond, break_off), ("succeeded", "broke_off"), 1),
    ((respond, leave), ("succeeded",), 0),
    ((respond_badly, complete), ("failed",), 1),
    ((answer_badly,), ("failed",), 1),
    ((respond_badly, break_off), ("failed",), 1),
    ((respond_badly, leave), ("failed",), 1),
    ((break_off,), ("failed",), 1),
    ((leave,), ("dropped",), 0),
    ((complete, answer, break_off, leave), ("succeeded", "completed"), 0),
])  # fmt: skip
def test_an_attempt_has_one_outcome_and_fails_at_most_once(
    steps: Any, events: tuple[str, ...], failures: int
) -> None:
    story, diary = Story("a"), Diary()
    story.pool.observers = (diary,)
    exchange = story.begin(1.0)
    for step in steps:
        step(exchange)
    assert diary.heard == [("began", 1.0), *((event, 1.0) for event in events)]
    assert story.pool.backends[0].failures == failures


def test_all_who_watch_hear_of_it() -> None:
    story, first, second = Story("a"), Diary(), Diary()
    story.pool.observers = (first, second)
    exchange = story.begin(1.0)
    respond(exchange)
    complete(exchange)
    assert first.heard == second.heard
    assert first.heard == [("began", 1.0), ("succeeded", 1.0), ("completed", 1.0)]


def test_a_watcher_may_ignore_whatever_it_hears() -> None:
    story, observer = Story("a"), AttemptObserver()
    story.pool.observers = (observer,)
    backend = story.pool.backends[0]
    for last in (complete, break_off):
        exchange = story.begin()
        respond(exchange)
        last(exchange)
    observer.removed(backend)
    assert observer.snapshot(backend) == {}


def test_a_backend_says_who_and_where_it_is() -> None:
    (backend,) = Story("a").pool.backends
    assert (repr(backend), backend.address) == ("Backend(a)", "a:1")
