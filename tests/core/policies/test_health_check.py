"""Active checks: what a row of answers amounts to, and who is asked when."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config.policies import HealthConfig
from l7proxy.core.policies.health_check import HealthCount, Probe
from l7proxy.core.pool.backend import Backend
from l7proxy.upstreams.base import Upstream
from l7proxy.upstreams.dispatcher import Dispatcher
from tests.core.test_exchange import Story

FAST = {"interval": 1, "timeout": 0.5, "jitter": 0}


class Checked(Story):
    """A pool whose checks are answered by hand."""

    def __init__(self, names: str = "a", **health: object) -> None:
        super().__init__(names, health={**FAST, **health})
        self.proxy.start(0.0)

    def check(self, now: float) -> Probe:
        """The one check that is due by now."""
        self.proxy.timers.advance(now)
        (probe,) = self.proxy.probes
        self.proxy.probes.clear()
        return probe

    def states(self) -> dict[str, str]:
        return {b.name: ",".join(b.why_not()) for b in self.pool.backends}


@pytest.mark.parametrize(("checks", "flips"), [
    ("bbb", "..!"), ("bbgbbb", ".....!"), ("bbbgg", "..!.!"), ("bbbgbgg", "..!...!"),
    ("ggg", "..."),
])  # fmt: skip
def test_so_many_in_a_row_flip_it(checks: str, flips: str) -> None:
    count = HealthCount(HealthConfig(rise=2, fall=3))
    assert "".join("!" if count.add(good=check == "g") else "." for check in checks) == flips


@given(st.lists(st.booleans()), st.integers(1, 4), st.integers(1, 4))
def test_it_is_up_as_the_last_long_enough_row_says(
    checks: list[bool], rise: int, fall: int
) -> None:
    count = HealthCount(HealthConfig(rise=rise, fall=fall))
    for check in checks:
        count.add(good=check)
    up = True
    for end in range(len(checks) + 1):
        if checks[max(0, end - rise) : end] == [True] * rise:
            up = True
        if checks[max(0, end - fall) : end] == [False] * fall:
            up = False
    assert count.up is up


def test_the_first_check_is_made_at_once_and_then_one_every_interval() -> None:
    story = Checked()
    for second in range(3):
        story.check(second).answered(200, second + 0.1)
    assert story.states() == {"a": ""}


def test_a_check_that_is_not_answered_in_time_has_failed_and_its_upstream_is_told() -> None:
    story, told = Checked(fall=1), []
    story.check(0).on_abandon = lambda: told.append(True)
    story.proxy.timers.advance(0.5)
    assert (story.states(), told) == ({"a": "down"}, [True])


def test_a_check_counts_once_whatever_else_is_said_of_it() -> None:
    story = Checked(fall=1)
    probe = story.check(0)
    probe.answered(200, 0.1)
    probe.failed(0.2)
    story.proxy.timers.advance(0.9)
    assert story.states() == {"a": ""}


def test_checks_that_are_answered_come_at_their_interval_however_long_they_might_take() -> None:
    story = Checked(interval=0.25, timeout=2)
    for count in range(8):
        story.check(count / 4).answered(200, count / 4)


def test_checks_slower_than_the_interval_do_not_overlap() -> None:
    story = Checked(interval=1, timeout=3)
    story.check(0)
    story.proxy.timers.advance(2.9)
    assert not story.proxy.probes
    story.check(3)


def test_jitter_spreads_the_checks_around_the_interval() -> None:
    story = Checked(jitter=0.5)
    times = []
    for _ in range(50):
        due = story.proxy.next_deadline()
        assert due is not None
        story.check(due).answered(200, due)
        times.append(due)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) < 0.7 and max(gaps) > 1.3 and all(0.5 <= gap <= 1.5 for gap in gaps)


def test_a_backend_that_is_removed_is_not_checked_any_more() -> None:
    story, told = Checked(), []
    story.check(0).on_abandon = lambda: told.append(True)
    story.pool.remove(story.pool.backends[0], 0.1)
    assert told == [True]
    assert story.proxy.next_deadline() is None


def test_what_a_leaving_backend_still_answers_says_nothing() -> None:
    story = Checked(fall=1)
    story.begin()
    probe = story.check(0)
    story.pool.remove(story.pool.backends[0], 0.1)
    probe.answered(500, 0.2)
    assert story.states() == {"a": "removed"}


def test_a_backend_may_leave_before_the_checks_have_begun() -> None:
    story = Story("a", health=FAST)
    story.pool.remove(story.pool.backends[0], 0.0)
    assert story.proxy.next_deadline() is None


def test_a_check_that_nobody_waits_for_any_more_is_not_carried_out() -> None:
    asked: list[Backend] = []

    class Asked(Upstream):
        def probe(self, probe: Probe, now: float) -> None:
            asked.append(probe.backend)

    story = Checked("ab")
    story.proxy.timers.advance(0)
    story.pool.remove(story.pool.backends[0], 0.0)
    assert [probe.over for probe in story.proxy.probes] == [True, False]
    Dispatcher(story.proxy, {"p": Asked()}, nobody, nobody).advance_ready(0.0)
    assert [backend.name for backend in asked] == ["b"]


def nobody(*_: object) -> None:
    """Whom the end of an exchange is told, where there is none."""


def test_when_the_pool_stops_so_do_the_checks() -> None:
    story = Checked("ab")
    story.proxy.timers.advance(0)
    story.proxy.stop()
    assert story.proxy.next_deadline() is None


def test_a_persons_word_starts_the_count_anew() -> None:
    story = Checked(fall=2, rise=2)
    story.check(0).failed(0.1)
    story.pool.set_state(story.pool.backends[0], "up", 0.2)
    story.check(1).failed(1.1)
    assert story.states() == {"a": ""}
    story.pool.set_state(story.pool.backends[0], "down", 1.2)
    story.check(2).answered(200, 2.1)
    assert story.states() == {"a": "down"}
    story.check(3).answered(200, 3.1)
    assert story.states() == {"a": ""}
