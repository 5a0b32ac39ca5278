"""Passive ejection: who fails too often is out for a while, and for how long."""

from __future__ import annotations

from typing import Any

from l7proxy.core import HttpResponse
from l7proxy.core.http.local_reply import RESET
from tests.core.test_exchange import Story

GOOD, BAD = HttpResponse(200), HttpResponse(500)


class Ejecting(Story):
    """Two backends; one failure is one too many."""

    def __init__(self, names: str = "ab", **ejection: Any) -> None:
        settings = {"consecutive_failures": 1, "time": 2, "max_time": 5, **ejection}
        super().__init__(names, ejection=settings)

    def answer(self, response: HttpResponse, now: float, name: str = "a") -> None:
        """The backend of that name gives this answer; others that come first do well."""
        while True:
            exchange = self.begin(now)
            assert exchange.backend is not None
            ours = exchange.backend.name == name
            exchange.answered(response if ours else GOOD, now)
            if ours:
                return

    def out(self) -> str:
        return "".join(b.name for b in self.pool.backends if "ejected" in b.why_not())


def test_each_ejection_is_longer_than_the_one_before_up_to_a_limit() -> None:
    story, now = Ejecting(), 0.0
    for length in (2, 4, 5, 5):
        story.answer(BAD, now)
        assert story.out() == "a"
        story.proxy.timers.advance(now + length - 0.1)
        assert story.out() == "a"
        now += length
        story.proxy.timers.advance(now)
        assert story.out() == ""


def test_who_does_well_for_as_long_as_it_was_out_has_a_clean_sheet() -> None:
    story = Ejecting()
    story.answer(BAD, 0.0)
    story.proxy.timers.advance(2.0)
    story.answer(GOOD, 3.9)
    assert story.pool.snapshot()["backends"]["a"]["ejections"] == 1
    story.answer(GOOD, 4.0)
    assert story.pool.snapshot()["backends"]["a"]["ejections"] == 0


def broken_off(story: Story, now: float, status: int = 200) -> None:
    """A response of the one backend of which only a part comes."""
    exchange = story.begin(now)
    exchange.responded(status, now)
    exchange.failed(RESET, now)


def test_a_failure_that_breaks_off_is_one_failure() -> None:
    story = Ejecting("a", consecutive_failures=2, max_share=1)
    broken_off(story, 0.0, 500)
    assert story.out() == ""
    broken_off(story, 0.0, 500)
    assert story.out() == "a"


def test_responses_that_break_off_one_after_the_other_are_failures_in_a_row() -> None:
    story = Ejecting("a", consecutive_failures=3, max_share=1)
    broken_off(story, 0.0)
    broken_off(story, 0.0)
    story.answer(GOOD, 0.0)
    broken_off(story, 0.0)
    broken_off(story, 0.0)
    assert story.out() == ""
    broken_off(story, 0.0)
    assert story.out() == "a"


def test_a_response_that_breaks_off_is_one_of_those_that_a_rate_is_a_share_of() -> None:
    rate = {"share": 0.6, "min_requests": 5}
    story = Ejecting("a", consecutive_failures=None, failure_rate=rate, max_share=1)
    for _ in range(3):
        broken_off(story, 0.0)
    story.answer(GOOD, 0.0)
    assert story.out() == ""
    broken_off(story, 0.0)
    assert story.out() == "a"


def test_what_breaks_off_after_an_ejection_began_is_no_reason_for_another() -> None:
    story = Ejecting("a", max_share=1)
    old = [story.begin() for _ in range(3)]
    for exchange in old:
        exchange.responded(200, 0.0)
    old[0].failed(RESET, 0.0)
    old[1].failed(RESET, 1.0)
    story.proxy.timers.advance(2.0)
    old[2].failed(RESET, 2.0)
    assert story.pool.snapshot()["backends"]["a"]["ejections"] == 1


def test_what_was_begun_before_a_backend_was_back_does_not_end_its_failures_in_a_row() -> None:
    story = Ejecting("a", consecutive_failures=2, max_share=1)
    old = story.begin()
    old.responded(200, 0.0)
    story.answer(BAD, 0.0)
    story.answer(BAD, 0.0)
    story.proxy.timers.advance(2.0)
    story.answer(BAD, 2.0)
    old.completed(2.0)
    story.answer(BAD, 2.0)
    assert story.out() == "a"


def test_only_a_share_of_the_pool_is_ejected() -> None:
    story = Ejecting("abc", max_share=0.5)
    story.answer(BAD, 0.0, "b")
    story.answer(BAD, 0.0, "c")
    assert story.out() == "b"


def test_too_large_a_share_of_failures_ejects_and_is_forgotten_on_return() -> None:
    rate = {"share": 0.5, "min_requests": 2}
    story = Ejecting(consecutive_failures=None, failure_rate=rate)
    story.answer(GOOD, 0.0)
    story.answer(BAD, 0.0)
    assert story.out() == "a"
    story.proxy.timers.advance(2.0)
    story.answer(BAD, 2.0)
    assert story.out() == ""


def test_what_began_before_a_backend_was_back_is_no_reason_for_another_ejection() -> None:
    story = Ejecting()
    old = [story.begin() for _ in range(6)]
    on_a = [exchange for exchange in old if exchange.backend is story.pool.backends[0]]
    on_a[0].answered(BAD, 0.0)
    on_a[1].answered(BAD, 1.0)
    story.proxy.timers.advance(2.0)
    on_a[2].answered(BAD, 2.5)
    assert story.out() == ""


def test_a_backend_that_leaves_while_it_is_out_makes_room_for_another() -> None:
    story = Ejecting("abc")
    story.answer(BAD, 0.0)
    story.pool.remove(story.pool.backends[0], 0.5)
    assert story.proxy.next_deadline() is None
    story.answer(BAD, 1.0, "b")
    assert story.out() == "b"
    story.pool.remove(story.pool.by_name["c"], 1.0)
