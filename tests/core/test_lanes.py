"""Lanes: what is due the same while after it went in."""

from __future__ import annotations

from typing import Any

from l7proxy.core.timers import Timers


def record() -> tuple[list[tuple[Any, float]], Timers]:
    return [], Timers()


def test_things_come_due_in_the_order_in_which_they_went_in() -> None:
    came, timers = record()
    lane = timers.lane(10, lambda thing, due: came.append((thing, due)))
    lane.put("a", 0)
    lane.put("b", 1)
    assert timers.next_deadline() == 10
    timers.advance(11)
    assert came == [("a", 10), ("b", 11)]
    assert timers.next_deadline() is None
    assert len(timers) == 0


def test_what_was_dropped_does_not_come_due() -> None:
    came, timers = record()
    lane = timers.lane(10, lambda thing, due: came.append((thing, due)))
    for thing in "abc":
        lane.put(thing, 0)
    lane.drop("b", None)
    lane.drop("never there", None)
    assert len(timers) == 2
    timers.advance(10)
    assert came == [("a", 10), ("c", 10)]


def test_timers_go_before_lanes_at_the_same_time_and_lanes_among_themselves_by_time() -> None:
    came, timers = record()
    slow = timers.lane(10, lambda thing, due: came.append((thing, due)))
    fast = timers.lane(5, lambda thing, due: came.append((thing, due)))
    slow.put("slow", 0)
    fast.put("fast", 0)
    timers.schedule(10, lambda due: came.append(("timer", due)))
    timers.schedule(20, lambda due: came.append(("later", due)))
    assert timers.next_deadline() == 5
    timers.advance(20)
    assert came == [("fast", 5), ("timer", 10), ("slow", 10), ("later", 20)]


def test_an_action_may_put_its_thing_in_again() -> None:
    came, timers = record()
    lane = timers.lane(10, lambda thing, due: (came.append((thing, due)), lane.put(thing, due)))
    lane.put("a", 0)
    timers.advance(30)
    assert came == [("a", 10), ("a", 20), ("a", 30)]
    assert timers.next_deadline() == 40


def test_a_shell_hears_of_what_may_be_due_sooner_and_not_of_every_thing() -> None:
    _, timers = record()
    heard: list[float] = []
    timers.on_sooner = heard.append
    lane = timers.lane(10, lambda thing, due: None)
    lane.put("a", 0)
    lane.put("b", 1)
    lane.drop("a", None)
    lane.drop("b", None)
    lane.put("c", 2)
    assert heard == [10]
    timers.schedule(5, lambda due: None)
    timers.schedule(7, lambda due: None)
    assert heard == [10, 5]
    lane.drop("c", None)
    assert timers.next_deadline() == 5
    lane.put("d", 3)
    assert heard == [10, 5, 13]
