"""The node's time: the wall's until an envelope tells another."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.node.clock import Clock
from tests.node.conversation import Conversation, envelopes, one_pool
from tests.node.misbehaving import Buggy


def test_no_time_passes_before_the_first_message() -> None:
    clock = Clock()
    clock.follow_wall(100.0)
    assert (clock.started, clock.now) == (False, 0.0)
    clock.start()
    clock.follow_wall(101.5)
    assert (clock.now, clock.on_wall(2.0)) == (1.5, 102.0)


def test_the_wall_clock_never_takes_it_back() -> None:
    clock = Clock()
    clock.start()
    clock.follow_wall(5.0)
    clock.follow_wall(4.0)
    assert clock.now == 5.0


def test_from_the_first_at_on_the_wall_clock_does_not_matter() -> None:
    clock = Clock()
    clock.follow_wall(100.0)
    clock.now = clock.read(3)
    clock.follow_wall(200.0)
    assert (clock.virtual, clock.now, clock.shown()) == (True, 3.0, 3)


def test_after_some_time_on_the_wall_virtual_time_goes_on_from_there() -> None:
    clock = Clock()
    clock.start()
    clock.follow_wall(7.0)
    clock.now = clock.read(0.5)
    assert (clock.now, clock.shown()) == (7.0, 0.5)
    assert clock.read(2.5) == 9.0


@pytest.mark.parametrize("at", ["1", None, True, -1, float("nan"), float("inf"), [], 1e300])
def test_what_is_no_time_is_refused(at: Any) -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="a number of seconds"):
        clock.read(at)
    assert not clock.virtual


def test_time_does_not_run_backwards() -> None:
    clock = Clock(virtual=True)
    clock.now = clock.read(2)
    clock.start()
    with pytest.raises(ValueError, match="1 comes after 2"):
        clock.read(1)


def test_it_is_shown_to_the_nanosecond() -> None:
    clock = Clock(virtual=True)
    clock.now = 0.1 + 0.2
    assert clock.shown() == 0.3


# The node by its clock.


@pytest.mark.parametrize("virtual", [False, True])
def test_time_begins_with_the_first_message_whatever_time_it_tells(virtual: bool) -> None:
    """Were it to begin at 0, half a billion checks of health would be due by then."""
    talk = Conversation(one_pool(health={}), virtual_time=virtual)
    (reply,) = talk.request(at=1764000000.5)
    assert (reply["at"], reply["body"]["status"]) == (1764000000.5, 200)


CHECKS = {"interval": 1, "timeout": 0.5, "jitter": 0}


def test_health_checks_begin_with_the_first_message() -> None:
    talk = Conversation(one_pool(health=CHECKS))
    assert talk.node.next_deadline() is None
    assert talk.node.advance(50.0) == b""
    talk.request(60.0)
    assert talk.node.next_deadline() == 60.0
    talk.node.advance(60.0)
    assert talk.node.next_deadline() == 61.0


def test_what_was_due_happens_before_what_is_read() -> None:
    talk = Conversation(one_pool(simulate={"latency": 1}))
    talk.request(0.0, msg_id=1)
    replies = talk.request(5.0, msg_id=2, simulate={"latency": 0})
    assert [reply["body"]["in_reply_to"] for reply in replies] == [1, 2]


def test_with_virtual_time_from_the_start_nothing_waits_for_the_wall() -> None:
    talk = Conversation(one_pool(simulate={"latency": 5}), virtual_time=True)
    assert talk.request(0.0) == []
    assert talk.node.next_deadline() is None
    (reply,) = envelopes(talk.node.finish(0.0))
    assert (reply["at"], reply["body"]["status"]) == (5, 200)


def test_what_hangs_for_ever_does_not_keep_virtual_time_going_for_ever() -> None:
    talk = Conversation(one_pool(health=CHECKS, timeouts={"attempt": None}))
    talk.request(0.0, at=0, simulate={"faults": [{"fault": "hang"}]})
    (reply,) = envelopes(talk.node.finish(0.0))
    assert (reply["at"], reply["body"]["status"]) == (0, 503)


def test_what_other_nodes_were_asked_is_cut_off_when_the_input_ends_and_nothing_else() -> None:
    talk = Conversation(one_pool(simulate={"latency": 1}))
    talk.request(0.0)
    assert talk.node.finish(0.0) == b""
    talk = Conversation(one_pool(upstream="envelope"))
    (asked,) = talk.request(0.0)
    assert (asked["src"], asked["dest"]) == ("lb", "a")
    (reply,) = envelopes(talk.node.finish(0.0))
    assert (reply["dest"], reply["body"]["status"]) == ("c", 503)
    assert talk.node.idle


def test_a_node_that_drains_refuses_what_it_answered_before() -> None:
    talk = Conversation(one_pool())
    for _ in range(3):
        assert talk.request(0.0)[0]["body"]["status"] == 200
    talk.request(0.0, simulate={"latency": 9})
    talk.node.drain(0.0)
    assert talk.request(0.0)[0]["body"]["status"] == 503
    talk.request(0.0, type="init", backends=["b:1"])
    assert talk.request(0.0)[0]["body"]["status"] == 503
    assert not talk.node.idle


def test_a_bug_in_what_happens_by_itself_is_logged_and_the_node_lives_on() -> None:
    talk = Conversation(
        one_pool(simulate={"latency": 1}, health={**CHECKS, "fall": 9}),
        upstreams={"simulated": Buggy},
    )
    talk.request(0.0)
    talk.node.advance(2.0)
    assert any("RuntimeError: a bug" in line for line in talk.log)
    assert talk.request(3.0, simulate={"latency": 0})[-1]["body"]["status"] == 200
