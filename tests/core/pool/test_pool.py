"""Pools: who may be given a request, who waits, and what changes leave undisturbed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from l7proxy.core import HttpRequest, HttpResponse
from l7proxy.core.config.model import BackendConfig
from l7proxy.core.exchange_state import ATTEMPTING, ENDED, QUEUED
from l7proxy.core.http.local_reply import CONNECT_FAILED
from l7proxy.core.pool.backend import Backend
from tests.builds import needs_pure
from tests.core.test_exchange import Story

GOOD = HttpResponse(200)


def served(story: Story, count: int, now: float = 0.0) -> str:
    """The names of the backends of the next requests, each of which is answered at once."""
    names = ""
    for _ in range(count):
        exchange = story.open(now)
        names += "-" if exchange.backend is None else exchange.backend.name
        if exchange.backend is not None:
            exchange.answered(GOOD, now)
    return names


def set_state(story: Story, name: str, state: str, now: float = 0.0) -> None:
    story.pool.set_state(story.pool.by_name[name], state, now)


def test_who_is_out_is_passed_over_and_goes_on_where_it_was() -> None:
    story = Story("abc")
    assert served(story, 1) == "a"
    set_state(story, "b", "maint")
    assert served(story, 4) == "ccac"
    set_state(story, "b", "up")
    assert sorted(served(story, 3)) == ["a", "b", "c"]


def test_each_state_takes_the_one_before_back() -> None:
    story = Story("a")
    seen = []
    for state in ("down", "drain", "maint", "up"):
        set_state(story, "a", state)
        seen.append(",".join(story.pool.backends[0].why_not()))
    assert seen == ["down", "down,drain", "down,maint", ""]


def test_a_backend_gets_as_many_as_it_may_have_and_the_rest_wait_in_order() -> None:
    story = Story("a", each={"max_connections": 2})
    first, _second, third, fourth = (story.open() for _ in range(4))
    assert (story.in_flight(), len(story.pool.queue)) == ({"a": 2}, 2)
    first.answered(GOOD, 1.0)
    assert (third.backend, fourth.backend) == (story.pool.backends[0], None)


def test_a_queue_that_is_full_takes_nobody() -> None:
    story = Story("a", each={"max_connections": 1}, queue={"size": 1})
    states = [story.open().state for _ in range(3)]
    assert states == [ATTEMPTING, QUEUED, ENDED]


def test_a_full_tier_makes_wait_and_a_tier_that_is_out_gives_way() -> None:
    story = Story("a", each={"max_connections": 1})
    story.pool.add("spare", BackendConfig(address="spare:1", tier=1), 0.0)
    story.open()
    waiting = story.open()
    assert waiting.backend is None
    set_state(story, "a", "drain")
    assert waiting.backend is story.pool.by_name["spare"]


def test_who_has_tried_all_of_a_tier_gets_one_of_the_next() -> None:
    story = Story("ab")
    for name, weight in (("heavy", 2), ("light", 1)):
        spare = BackendConfig(address=f"{name}:1", tier=1, weight=weight)
        story.pool.add(name, spare, 0.0)
    story.pool.add("last", BackendConfig(address="last:1", tier=2), 0.0)
    tried: list[str] = []
    exchange = story.open()
    while exchange.backend is not None and exchange.state is ATTEMPTING:
        tried.append(exchange.backend.name)
        exchange.failed(CONNECT_FAILED, 0.0, sent=False)
    assert tried == ["a", "b", "heavy"]
    assert sorted(served(story, 2)) == ["a", "b"]


def test_who_could_wait_for_one_of_its_tier_gets_none_of_the_next() -> None:
    story = Story("a", each={"max_connections": 1})
    story.pool.add("b", BackendConfig(address="b:1", max_connections=1), 0.0)
    story.pool.add("spare", BackendConfig(address="spare:1", tier=1), 0.0)
    first, _ = story.open(), story.open()
    first.failed(CONNECT_FAILED, 0.0, sent=False)
    assert (first.state, first.attempts) == (ENDED, 1)


@needs_pure
def test_a_selector_that_picks_what_is_no_backend_is_told_so() -> None:
    story = Story("a")

    def pick(request: HttpRequest | None, avoid: Collection[Backend]) -> Any:
        return "a"

    story.pool.selector.pick = pick  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError, match="RoundRobin picked 'a', no backend"):
        story.open()
    assert (story.pool.requests, story.pool.backends[0].in_flight) == (0, 0)


def test_below_the_panic_threshold_all_but_those_taken_out_on_purpose_are_used() -> None:
    story = Story("abcd", panic_threshold=0.5)
    set_state(story, "d", "maint")
    set_state(story, "a", "down")
    assert sorted(served(story, 2)) == ["b", "c"]
    set_state(story, "b", "down")
    assert story.pool.snapshot()["panic"] is True
    assert sorted(served(story, 3)) == ["a", "b", "c"]


def test_a_new_backend_takes_its_turn_and_those_who_wait() -> None:
    story = Story("a", each={"max_connections": 1})
    story.open()
    waiting = story.open()
    story.pool.add("b", BackendConfig(address="b:1"), 0.0)
    assert waiting.backend is story.pool.by_name["b"]
    assert list(story.proxy.ready) == [waiting]


def test_a_new_backend_starts_slowly_where_that_is_configured() -> None:
    story = Story("a", slow_start=8)
    story.pool.add("b", BackendConfig(address="b:1", weight=2), 0.0)
    weights = [story.pool.by_name["b"].weight]
    for second in range(1, 8):
        story.proxy.timers.advance(second)
        weights.append(story.pool.by_name["b"].weight)
    assert weights == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2]


def test_going_out_and_coming_back_starts_over() -> None:
    story = Story("ab", slow_start=8)
    backend = story.pool.by_name["b"]
    for now in (0.0, 4.0):
        set_state(story, "b", "maint", now)
        set_state(story, "b", "up", now)
        assert backend.weight == 0.125
        story.proxy.timers.advance(now + 3)
        assert backend.weight == 0.5


def test_a_new_weight_is_taken_at_the_share_that_has_been_reached() -> None:
    story = Story("ab", slow_start=8)
    backend = story.pool.by_name["b"]
    set_state(story, "b", "maint")
    set_state(story, "b", "up")
    story.proxy.timers.advance(3.0)
    story.pool.set_weight(backend, 4)
    assert backend.weight == 2
    story.proxy.timers.advance(7.0)
    assert backend.weight == 4
    story.pool.set_weight(backend, 6)
    assert backend.weight == 6


def test_a_backend_that_is_full_comes_back_slowly_all_the_same() -> None:
    story = Story("ab", each={"max_connections": 1}, slow_start=8)
    story.begin()
    set_state(story, "a", "maint")
    set_state(story, "a", "up")
    assert (list(story.pool.backends[0].why_not()), story.pool.backends[0].weight) == (
        ["full"],
        0.125,
    )


def test_who_leaves_while_starting_slowly_has_no_further_steps() -> None:
    story = Story("ab", slow_start=8)
    set_state(story, "b", "maint")
    set_state(story, "b", "up")
    story.pool.remove(story.pool.by_name["b"], 1.0)
    assert story.proxy.next_deadline() is None


def test_who_is_removed_finishes_first() -> None:
    story = Story("ab")
    exchange = story.begin()
    story.pool.remove(story.pool.by_name["a"], 0.0)
    assert served(story, 2) == "bb"
    assert [b.name for b in story.pool.backends] == ["a", "b"]
    exchange.answered(GOOD, 1.0)
    assert [b.name for b in story.pool.backends] == ["b"]


def test_an_exchange_that_never_got_a_pool_can_be_cancelled() -> None:
    from l7proxy.core import Exchange, HttpRequest

    exchange = Exchange(Story("a").proxy, HttpRequest("GET", "/p"), 0.0)
    exchange.cancelled(0.0)
    assert exchange.state is ENDED
