"""Circuits: closed, open, half-open, and which attempts count as what."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core import HttpResponse
from l7proxy.core.exchange_state import ATTEMPTING, ENDED
from l7proxy.core.http.local_reply import RESET
from tests.core.test_exchange import Story

GOOD, BAD = HttpResponse(200), HttpResponse(500)


class Broken(Story):
    """One backend whose circuit opens at the first failure, for two seconds."""

    def __init__(self, names: str = "a", **breaker: Any) -> None:
        pool = breaker.pop("pool", {})
        settings = {"failures": 1, "open_time": 2, "successes": 1, **breaker}
        super().__init__(names, breaker=settings, retries={"attempts": 1}, **pool)

    @property
    def circuit(self) -> str:
        assert self.pool.breaker is not None
        return self.pool.breaker.state(self.pool.backends[0])

    def trip(self, now: float = 0.0) -> None:
        self.begin(now).failed(RESET, now)
        assert self.circuit == "open"


def test_it_opens_is_asked_again_and_closes() -> None:
    story = Broken()
    story.trip()
    assert story.open(1.9).attempts == 0
    story.proxy.timers.advance(2.0)
    assert story.circuit == "half-open"
    story.begin(2.0).answered(GOOD, 2.5)
    assert story.circuit == "closed"


def test_only_failures_in_a_row_open_it() -> None:
    story = Broken(failures=2)
    for response in (BAD, GOOD, BAD, GOOD):
        story.begin().answered(response, 0.0)
    assert story.circuit == "closed"


def test_too_large_a_share_of_failures_opens_it() -> None:
    rate = {"share": 0.5, "min_requests": 4}
    story = Broken(failures=None, failure_rate=rate)
    for response in (GOOD, BAD, GOOD):
        story.begin().answered(response, 0.0)
    assert story.circuit == "closed"
    story.begin().answered(BAD, 0.0)
    assert story.circuit == "open"


@pytest.mark.parametrize("status", [200, 500])
def test_responses_that_break_off_are_failures_in_a_row(status: int) -> None:
    story = Broken(failures=2)
    first = story.begin()
    first.responded(status, 0.0)
    first.failed(RESET, 0.0)
    assert (story.circuit, first.circuit_state) == ("closed", None)
    second = story.begin()
    second.responded(200, 0.0)
    assert story.circuit == "closed"
    second.failed(RESET, 0.0)
    assert (story.circuit, second.circuit_state) == ("open", "open")


def test_a_response_that_breaks_off_is_one_of_those_that_a_rate_is_a_share_of() -> None:
    rate = {"share": 1, "min_requests": 2}
    story = Broken(failures=None, failure_rate=rate)
    for circuit in ("closed", "open"):
        exchange = story.begin()
        exchange.responded(200, 0.0)
        exchange.failed(RESET, 0.0)
        assert story.circuit == circuit


def test_a_probe_whose_response_breaks_off_opens_it_again() -> None:
    story = Broken(successes=2)
    story.trip()
    story.proxy.timers.advance(2.0)
    probe = story.begin(2.0)
    probe.responded(200, 2.0)
    assert (story.circuit, story.begin(2.0).state) == ("half-open", ATTEMPTING)
    probe.failed(RESET, 2.1)
    assert story.circuit == "open"


def test_what_breaks_off_after_the_circuit_closed_is_no_evidence() -> None:
    story = Broken(failures=2)
    story.begin(0.0).answered(BAD, 0.0)
    story.trip()
    story.proxy.timers.advance(2.0)
    probe = story.begin(2.0)
    probe.responded(200, 2.5)
    assert story.circuit == "closed"
    story.begin(2.6).answered(BAD, 2.6)
    probe.failed(RESET, 3.0)
    assert story.circuit == "closed"


def test_half_open_lets_so_many_through_at_once() -> None:
    story = Broken(probes=2, successes=3)
    story.trip()
    story.proxy.timers.advance(2.0)
    probes = [story.begin(2.0) for _ in range(3)]
    assert [probe.state for probe in probes] == [ATTEMPTING, ATTEMPTING, ENDED]
    probes[0].answered(GOOD, 2.1)
    assert (story.circuit, story.open(2.1).state) == ("half-open", ATTEMPTING)


def test_a_failed_probe_opens_it_again() -> None:
    story = Broken()
    story.trip()
    story.proxy.timers.advance(2.0)
    story.begin(2.0).answered(BAD, 2.5)
    assert story.circuit == "open"
    story.proxy.timers.advance(4.4)
    assert story.circuit == "open"
    story.proxy.timers.advance(4.5)
    assert story.circuit == "half-open"


def test_a_probe_that_nobody_waits_for_makes_room_for_another() -> None:
    story = Broken()
    story.trip()
    story.proxy.timers.advance(2.0)
    probe = story.begin(2.0)
    assert story.open(2.0).attempts == 0
    probe.cancelled(2.1)
    assert (story.circuit, story.open(2.1).attempts) == ("half-open", 1)


def test_what_began_before_the_circuit_changed_is_no_evidence() -> None:
    story = Broken()
    old = [story.begin() for _ in range(4)]
    story.trip(0.5)
    old[0].answered(GOOD, 1.0)
    assert story.circuit == "open"
    story.proxy.timers.advance(2.5)
    old[1].answered(GOOD, 2.6)
    old[2].answered(BAD, 2.6)
    old[3].cancelled(2.6)
    assert story.circuit == "half-open"


def test_in_panic_a_circuit_may_have_more_probes_than_it_lets_through() -> None:
    story = Broken("ab", pool={"panic_threshold": 1}, successes=9)
    story.trip()
    story.proxy.timers.advance(2.0)
    probes = [story.begin(2.0) for _ in range(6)]
    on_it = [probe for probe in probes if probe.backend is story.pool.backends[0]]
    assert len(on_it) == 3
    on_it[0].answered(GOOD, 2.1)
    assert list(story.pool.backends[0].why_not()) == ["broken"]
    on_it[1].answered(GOOD, 2.1)
    on_it[2].answered(GOOD, 2.1)
    assert list(story.pool.backends[0].why_not()) == []


def test_a_circuit_that_closes_lets_its_backend_start_slowly() -> None:
    story = Broken(pool={"slow_start": 8})
    story.trip()
    story.proxy.timers.advance(2.0)
    story.begin(2.0).answered(GOOD, 2.0)
    assert (story.circuit, story.pool.backends[0].weight) == ("closed", 0.125)


def test_a_backend_that_leaves_takes_its_circuit_with_it() -> None:
    story = Broken("ab")
    story.trip()
    story.pool.remove(story.pool.backends[0], 0.0)
    story.pool.remove(story.pool.backends[0], 0.0)
    assert story.proxy.next_deadline() is None or not story.pool.backends
