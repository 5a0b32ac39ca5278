"""What is due when: in order, once, and not at all where it was cancelled."""

from __future__ import annotations

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
    assert timer.pending
    timers.cancel(timer)
    timers.cancel(timer)
    assert not timer.pending
    assert (timers.next_deadline(), len(timers)) == (None, 0)
    timers.advance(2.0)
    assert ran == []


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    keep = timers.schedule(5.0, lambda due: None)
    for _ in range(10_000):
        timers.cancel(timers.schedule(9.0, lambda due: None))
        assert len(timers._heap) <= 200
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
    lane = timers.lane(2, lambda thing, now: ran.append((thing, now)))
    lane.put("in the lane", 0)

    def again(now: float) -> None:
        ran.append(("timer", now))
        timers.schedule(now + 1, again)

    timers.schedule(1.0, again)
    timers.catch_up(10.0)
    assert ran == [("timer", 10.0), ("in the lane", 10.0)]
    assert timers.next_deadline() == 11.0
