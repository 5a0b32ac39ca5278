"""The loop over file descriptors, with pipes and a node that keeps its requests."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from l7proxy.node import blocking_loop
from l7proxy.node.blocking_loop import LAST_WORDS
from tests.node.test_node import LATE, Talk
from tests.processes import PATIENCE

GET = b'{"src": "c", "body": {"type": "http_request", "msg_id": 1, "path": "/"}}\n'


def late_node(**settings: Any) -> Any:
    """A node whose backends answer nothing by themselves."""
    talk = Talk({"backend_pools": {"p": {"backends": ["a:1"], **settings}},
                 "routes": [{"path_pattern": "/*", "backend_pool": "p"}]},
                upstreams=LATE)  # fmt: skip
    return talk.node


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe; what was not closed is closed."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            try:
                os.close(end)
            except OSError:
                pass


def converse(node: Any, said: bytes, **options: Any) -> list[Any]:
    """The replies that the driver writes when this is all that is said."""
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.write(mouth, said)
        os.close(mouth)
        blocking_loop.run(node, source, sink, **options)
        os.close(sink)
        with open(ear, "rb", closefd=False) as heard:
            return [json.loads(line)["body"] for line in heard]


INPUT, SIGNAL = "input", "signal"


@pytest.mark.parametrize(("happens", "at", "patience"), [
    ((), None, None),
    (((INPUT, 1.0),), 31.0, None),
    (((SIGNAL, 1.0),), 31.0, 31.0 + LAST_WORDS),
    (((SIGNAL, 1.0), (SIGNAL, 2.0)), 2.0, 2.0 + LAST_WORDS),
    (((INPUT, 1.0), (SIGNAL, 5.0)), 31.0, 35.0 + LAST_WORDS),
    (((SIGNAL, 1.0), (INPUT, 5.0)), 31.0, 31.0 + LAST_WORDS),
    (((INPUT, 1.0), (SIGNAL, 5.0), (SIGNAL, 6.0)), 6.0, 6.0 + LAST_WORDS),
])  # fmt: skip
def test_a_conversation_is_over_when_it_has_drained_or_is_told_twice(
    happens: tuple[tuple[str, float], ...], at: float | None, patience: float | None
) -> None:
    ending = blocking_loop.Ending(30.0)
    begins = [
        ending.signalled(now) if what is SIGNAL else ending.input_ended(now)
        for what, now in happens
    ]
    assert (ending.at, ending.patience) == (at, patience)
    signals = [began for began, (what, _) in zip(begins, happens, strict=True) if what is SIGNAL]
    assert signals == [True, False][: len(signals)]


class Hand:
    """A hand on the driver's clock: time goes on only while it waits, and as far as it waits.

    `turns` has, for each time that nothing but time came, when that was (seconds).
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.turns: list[float] = []
        hand, poll = self, blocking_loop.select.poll

        class Poll:
            def __init__(self) -> None:
                self._poll = poll()
                self.register, self.unregister = self._poll.register, self._poll.unregister

            def poll(self, milliseconds: int | None) -> list[tuple[int, int]]:
                ready: list[tuple[int, int]] = self._poll.poll(0)
                if not ready:
                    assert milliseconds is not None
                    hand.now += milliseconds / 1000
                    hand.turns.append(hand.now)
                return ready

        monkeypatch.setattr(blocking_loop, "monotonic", lambda: self.now)
        monkeypatch.setattr(blocking_loop.select, "poll", Poll)


def asked(number: int, latency: Any) -> bytes:
    body = {"type": "http_request", "msg_id": number, "path": "/", "simulate": {"latency": latency}}
    return json.dumps({"src": "c", "body": body}).encode() + b"\n"


def test_those_that_wait_cost_a_turn_for_each_instant_at_which_one_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five hundred take 3.0 to 3.1 s, so that nothing is due for three seconds."""
    with monkeypatch.context() as patched:
        hand = Hand(patched)
        said = b"".join(asked(number, {"uniform": [3.0, 3.1]}) for number in range(500))
        replies = converse(Talk({"backends": ["a:1"]}).node, said)
    assert Counter((r["in_reply_to"], r["status"]) for r in replies) == {
        (number, 200): 1 for number in range(500)
    }
    assert hand.turns[0] >= 3.0 and hand.turns[-1] <= 3.101
    assert hand.turns == sorted(set(hand.turns))


def test_a_fraction_of_a_millisecond_is_waited_for_in_one_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred answers, each 0.7 ms after the one before."""
    with monkeypatch.context() as patched:
        hand = Hand(patched)
        said = b"".join(asked(number, 0.5 + number * 0.0007) for number in range(100))
        replies = converse(Talk({"backends": ["a:1"]}).node, said)
    assert [reply["in_reply_to"] for reply in replies] == list(range(100))
    # Some share a millisecond, and none takes more than one.
    assert 70 <= len(hand.turns) <= 100


def test_what_is_said_is_answered_until_the_end() -> None:
    replies = converse(Talk({"backends": ["a:1", "b:1"]}).node, GET * 3)
    assert [reply["backend"] for reply in replies] == ["a", "b", "a"]


def test_at_the_end_it_waits_for_what_is_in_flight() -> None:
    (reply,) = converse(late_node(timeouts={"attempt": 0.01}), GET)
    assert reply["status"] == 504


def test_what_takes_longer_than_the_drain_may_is_answered_503() -> None:
    (reply,) = converse(late_node(), GET, drain_timeout=0.01)
    assert (reply["status"], reply["error"]) == (503, "the proxy is shutting down")


def test_what_is_due_is_answered_while_nothing_more_is_said() -> None:
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.write(mouth, GET)
        node = late_node(timeouts={"attempt": 0.01})
        heard: list[bytes] = []

        def listen() -> None:
            heard.append(os.read(ear, 1000))
            os.close(mouth)

        listener = Thread(target=listen, daemon=True)
        listener.start()
        blocking_loop.run(node, source, sink)
        listener.join()
    assert json.loads(heard[0])["body"]["status"] == 504


def test_a_signal_ends_it_and_leaves_the_handlers_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.write(mouth, GET)

        def interrupt() -> None:
            os.read(ear, 1000)
            os.kill(os.getpid(), signal.SIGTERM)

        interrupter = Thread(target=interrupt, daemon=True)
        interrupter.start()
        blocking_loop.run(Talk({"backends": ["a:1"]}).node, source, sink)
        interrupter.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_is_not_meant_for_it_changes_nothing() -> None:
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.write(mouth, GET)
        heard = threading.Event()
        before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.set())

        def interrupt() -> None:
            os.read(ear, 1000)
            os.kill(os.getpid(), signal.SIGUSR1)
            heard.wait(PATIENCE)
            os.write(mouth, GET)
            os.close(mouth)

        interrupter = Thread(target=interrupt, daemon=True)
        interrupter.start()
        blocking_loop.run(Talk({"backends": ["a:1"]}).node, source, sink)
        interrupter.join()
        signal.signal(signal.SIGUSR1, before)
        assert heard.is_set()
        assert json.loads(os.read(ear, 1000))["body"]["status"] == 200


def test_a_pipe_that_can_not_be_opened_anew_is_written_to_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        replies = converse(Talk({"backends": ["a:1"]}).node, GET * 100)
    assert [reply["status"] for reply in replies] == [200] * 100


def test_nobody_listening_is_no_error() -> None:
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.close(ear)
        os.write(mouth, GET)
        blocking_loop.run(Talk({"backends": ["a:1"]}).node, source, sink)


def test_descriptors_that_do_not_block_are_waited_for() -> None:
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.set_blocking(source, False)
        os.set_blocking(sink, False)
        os.write(mouth, GET)
        heard: list[bytes] = []

        def speak() -> None:
            os.write(mouth, GET * 3000)
            os.close(mouth)

        def listen() -> None:
            while data := os.read(ear, 1 << 16):
                heard.append(data)

        others = [Thread(target=speak, daemon=True), Thread(target=listen, daemon=True)]
        for other in others:
            other.start()
        blocking_loop.run(Talk({"backends": ["a:1"]}).node, source, sink)
        os.close(sink)
        for other in others:
            other.join()
    assert b"".join(heard).count(b"\n") == 3001


def test_a_read_that_finds_nothing_after_all_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = iter([True])
    read = os.read

    def sometimes(descriptor: int, size: int) -> bytes:
        if next(empty, False):
            raise BlockingIOError
        return read(descriptor, size)

    with monkeypatch.context() as patched:
        patched.setattr(blocking_loop.os, "read", sometimes)
        (reply,) = converse(Talk({"backends": ["a:1"]}).node, GET)
    assert reply["status"] == 200


class NoNode:
    """A node that has nothing to do."""

    idle = True

    def next_deadline(self) -> None:
        return None


def test_a_directory_is_no_input(tmp_path: Path) -> None:
    source = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError, match="'stdin'"):
            blocking_loop.run(NoNode(), source, 1)  # type: ignore[arg-type]
    finally:
        os.close(source)


@pytest.mark.parametrize(("one", "other", "waits"), [
    (None, None, None),
    (10.0, None, 0),
    (10.0001, None, 1),
    (11.5, 10.0015, 2),
    (None, 9.0, 0),
    (1e300, None, 3_600_000),
    (None, float("inf"), 3_600_000),
])  # fmt: skip
def test_it_sleeps_whole_milliseconds_and_never_too_long_for_poll(
    monkeypatch: pytest.MonkeyPatch, one: float | None, other: float | None, waits: int | None
) -> None:
    monkeypatch.setattr(blocking_loop, "monotonic", lambda: 10.0)
    assert blocking_loop._milliseconds(one, other) == waits
