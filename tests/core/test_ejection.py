"""Passive ejection: who fails too often is out for a while, and for how long."""

from __future__ import annotations

from typing import Any

from l7proxy.core import HttpResponse
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
        story.proxy.advance(now + length - 0.1)
        assert story.out() == "a"
        now += length
        story.proxy.advance(now)
        assert story.out() == ""


def test_who_does_well_for_as_long_as_it_was_out_has_a_clean_sheet() -> None:
    story = Ejecting()
    story.answer(BAD, 0.0)
    story.proxy.advance(2.0)
    story.answer(GOOD, 3.9)
    assert story.pool.snapshot()["backends"]["a"]["ejections"] == 1
    story.answer(GOOD, 4.0)
    assert story.pool.snapshot()["backends"]["a"]["ejections"] == 0


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
    story.proxy.advance(2.0)
    story.answer(BAD, 2.0)
    assert story.out() == ""


def test_what_began_before_a_backend_was_back_is_no_reason_for_another_ejection() -> None:
    story = Ejecting()
    old = [story.begin() for _ in range(6)]
    on_a = [exchange for exchange in old if exchange.backend is story.pool.backends[0]]
    on_a[0].answered(BAD, 0.0)
    on_a[1].answered(BAD, 1.0)
    story.proxy.advance(2.0)
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
