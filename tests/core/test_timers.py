"""What is due when: in order, once, and not at all where it was cancelled."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.timers import Timers


def test_actions_run_when_due_in_order_and_are_told_when_that_was() -> None:
    timers, ran = Timers(), list[tuple[str, float]]()
    for name, when in (("b", 2.0), ("a", 1.0), ("c", 2.0), ("d", 9.0)):
        timers.schedule(when, lambda due, name=name: ran.append((name, due)))  # type: ignore[misc]
    assert (timers.next_deadline(), len(timers)) == (1.0, 4)
    timers.advance(5.0)
    assert ran == [("a", 1.0), ("b", 2.0), ("c", 2.0)]
    assert (timers.next_deadline(), len(timers)) == (9.0, 1)


def test_what_an_action_schedules_runs_in_its_turn() -> None:
    timers, ran = Timers(), list[float]()

    def again(due: float) -> None:
        ran.append(due)
        if due < 3:
            timers.schedule(due + 1, again)

    timers.schedule(1.0, again)
    timers.advance(10.0)
    assert ran == [1.0, 2.0, 3.0]


def test_a_cancelled_timer_is_no_longer_pending_and_never_runs() -> None:
    timers, ran = Timers(), list[float]()
    timer = timers.schedule(1.0, ran.append)
    before = timer.pending
    timers.cancel(timer)
    timers.cancel(timer)
    assert (before, timer.pending) == (True, False)
    assert (timers.next_deadline(), len(timers)) == (None, 0)
    timers.advance(2.0)
    assert ran == []


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    keep = timers.schedule(5.0, lambda due: None)
    for _ in range(10_000):
        timers.cancel(timers.schedule(9.0, lambda due: None))
        assert timers.held <= 200
    assert keep.pending
    assert timers.next_deadline() == 5.0


def test_whoever_wants_to_know_is_told_of_what_is_due_sooner() -> None:
    timers, told = Timers(), list[float]()
    timers.on_sooner = told.append
    for when in (5.0, 7.0, 3.0):
        timers.schedule(when, lambda due: None)
    assert told == [5.0, 3.0]


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40), st.integers(0, 25))
def test_exactly_what_is_due_and_not_cancelled_runs(
    scheduled: list[tuple[int, bool]], now: int
) -> None:
    timers, ran = Timers(), list[int]()
    made = [
        timers.schedule(when, lambda due, index=index: ran.append(index))  # type: ignore[misc]
        for index, (when, _) in enumerate(scheduled)
    ]
    for timer, (_, cancelled) in zip(made, scheduled, strict=True):
        if cancelled:
            timers.cancel(timer)
    timers.advance(now)
    due = [(when, i) for i, (when, cancelled) in enumerate(scheduled) if not cancelled]
    assert ran == [index for when, index in sorted(due) if when <= now]
    assert len(timers) == len(due) - len(ran)


def test_who_catches_up_tells_every_action_that_it_is_now() -> None:
    timers, ran = Timers(), list[tuple[str, float]]()
    line = timers.delay_line(2, lambda thing, now: ran.append((thing, now)))
    line.put("in the line", 0)

    def again(now: float) -> None:
        ran.append(("timer", now))
        timers.schedule(now + 1, again)

    timers.schedule(1.0, again)
    timers.catch_up(10.0)
    assert ran == [("timer", 10.0), ("in the line", 10.0)]
    assert timers.next_deadline() == 11.0


# Delay lines.


def record() -> tuple[list[tuple[Any, float]], Timers]:
    return [], Timers()


def test_things_come_due_in_the_order_in_which_they_went_in() -> None:
    came, timers = record()
    line = timers.delay_line(10, lambda thing, due: came.append((thing, due)))
    line.put("a", 0)
    line.put("b", 1)
    assert timers.next_deadline() == 10
    timers.advance(11)
    assert came == [("a", 10), ("b", 11)]
    assert timers.next_deadline() is None
    assert len(timers) == 0


def test_what_was_dropped_does_not_come_due() -> None:
    came, timers = record()
    line = timers.delay_line(10, lambda thing, due: came.append((thing, due)))
    for thing in "abc":
        line.put(thing, 0)
    line.drop("b", None)
    line.drop("never there", None)
    assert len(timers) == 2
    timers.advance(10)
    assert came == [("a", 10), ("c", 10)]


def test_timers_go_before_delay_lines_at_the_same_time_and_those_among_themselves_by_time() -> None:
    came, timers = record()
    slow = timers.delay_line(10, lambda thing, due: came.append((thing, due)))
    fast = timers.delay_line(5, lambda thing, due: came.append((thing, due)))
    slow.put("slow", 0)
    fast.put("fast", 0)
    timers.schedule(10, lambda due: came.append(("timer", due)))
    timers.schedule(20, lambda due: came.append(("later", due)))
    assert timers.next_deadline() == 5
    timers.advance(20)
    assert came == [("fast", 5), ("timer", 10), ("slow", 10), ("later", 20)]


def test_an_action_may_put_its_thing_in_again() -> None:
    came, timers = record()

    def again(thing: str, due: float) -> None:
        came.append((thing, due))
        line.put(thing, due)

    line = timers.delay_line(10, again)
    line.put("a", 0)
    timers.advance(30)
    assert came == [("a", 10), ("a", 20), ("a", 30)]
    assert timers.next_deadline() == 40


def test_a_shell_hears_of_what_may_be_due_sooner_and_not_of_every_thing() -> None:
    _, timers = record()
    heard: list[float] = []
    timers.on_sooner = heard.append
    line = timers.delay_line(10, lambda thing, due: None)
    line.put("a", 0)
    line.put("b", 1)
    line.drop("a", None)
    line.drop("b", None)
    line.put("c", 2)
    assert heard == [10]
    timers.schedule(5, lambda due: None)
    timers.schedule(7, lambda due: None)
    assert heard == [10, 5]
    line.drop("c", None)
    assert timers.next_deadline() == 5
    line.put("d", 3)
    assert heard == [10, 5, 13]
