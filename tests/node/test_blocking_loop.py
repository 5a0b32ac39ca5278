"""The loop over file descriptors, with pipes, and with time that stands still."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from l7proxy.node import Node, blocking_loop
from l7proxy.node.blocking_loop import CHUNK, OUTPUT_TIMEOUT, Drain, poll_timeout
from tests.node.conversation import Conversation, one_pool
from tests.node.misbehaving import Late
from tests.processes import PATIENCE

GET = b'{"src": "c", "body": {"type": "http_request", "msg_id": 1, "path": "/p"}}\n'


def node(*backends: str, **pool: Any) -> Node:
    return Conversation(one_pool(backends=[*backends] or ["a:1"], **pool)).node


def late_node(**pool: Any) -> Node:
    """A node whose backends answer nothing by themselves."""
    return Conversation(one_pool(**pool), upstreams={"simulated": Late}).node


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


def converse(node: Node, said: bytes, **options: Any) -> list[Any]:
    """The bodies of the replies that the loop writes when this is all that is said."""
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.write(mouth, said)
        os.close(mouth)
        blocking_loop.run(node, source, sink, **options)
        os.close(sink)
        with open(ear, "rb", closefd=False) as heard:
            return [json.loads(line)["body"] for line in heard]


INPUT, SIGNAL = "input", "signal"


@pytest.mark.parametrize(("happens", "deadline", "output_deadline"), [
    ((), None, None),
    (((INPUT, 1.0),), 31.0, None),
    (((SIGNAL, 1.0),), 31.0, 31.0 + OUTPUT_TIMEOUT),
    (((SIGNAL, 1.0), (SIGNAL, 2.0)), 2.0, 2.0 + OUTPUT_TIMEOUT),
    (((INPUT, 1.0), (SIGNAL, 5.0)), 31.0, 35.0 + OUTPUT_TIMEOUT),
    (((SIGNAL, 1.0), (INPUT, 5.0)), 31.0, 31.0 + OUTPUT_TIMEOUT),
    (((INPUT, 1.0), (SIGNAL, 5.0), (SIGNAL, 6.0)), 6.0, 6.0 + OUTPUT_TIMEOUT),
])  # fmt: skip
def test_a_conversation_is_over_when_it_has_drained_or_is_told_twice(
    happens: tuple[tuple[str, float], ...], deadline: float | None, output_deadline: float | None
) -> None:
    drain = Drain(30.0)
    begins = []
    for what, now in happens:
        if what is SIGNAL:
            begins.append(drain.signalled(now))
        else:
            drain.input_ended(now)
    assert (drain.deadline, drain.output_deadline) == (deadline, output_deadline)
    assert begins == [True, False][: len(begins)]


class Time:
    """A loop's clock and poll: time goes on only while the loop waits, and as far as it waits.

    `turns` has, for each time that nothing but time came, when that was (seconds).
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.turns: list[float] = []

    def clock(self) -> float:
        return self.now

    def poll(self) -> Any:
        return Poll(self)


class Poll:
    """Looks at its descriptors, as `select.poll` does, and waits in no other time than its own."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._poll = select.poll()
        self.register, self.unregister = self._poll.register, self._poll.unregister

    def poll(self, milliseconds: int | None) -> list[tuple[int, int]]:
        ready = self._poll.poll(0)
        if not ready:
            assert milliseconds is not None
            self._time.now += milliseconds / 1000
            self._time.turns.append(self._time.now)
        return ready


def asked(number: int, latency: Any) -> bytes:
    body = {
        "type": "http_request",
        "msg_id": number,
        "path": "/p",
        "simulate": {"latency": latency},
    }
    return json.dumps({"src": "c", "body": body}).encode() + b"\n"


def test_those_that_wait_cost_a_turn_for_each_instant_at_which_one_is_due() -> None:
    """Four hundred, as many as fit a pipe, take 3.0 to 3.1 s: nothing is due for three seconds."""
    time = Time()
    said = b"".join(asked(number, {"uniform": [3.0, 3.1]}) for number in range(400))
    replies = converse(node(), said, clock=time.clock, poll=time.poll)
    assert Counter((r["in_reply_to"], r["status"]) for r in replies) == {
        (number, 200): 1 for number in range(400)
    }
    assert time.turns[0] >= 3.0 and time.turns[-1] <= 3.101
    assert time.turns == sorted(set(time.turns))


def test_with_enough_in_flight_no_more_is_read_until_some_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "said"
    file.write_bytes(b"".join(asked(number, 1.0) for number in range(2000)))
    reads = -(-file.stat().st_size // CHUNK)
    for enough, seconds in ((10, reads), (10_000, 1)):
        time = Time()
        made = Conversation(one_pool(), enough_in_flight=enough).node
        replies = tmp_path / f"replies-{enough}"
        with file.open("rb") as source, replies.open("wb") as sink:
            blocking_loop.run(
                made, source.fileno(), sink.fileno(), clock=time.clock, poll=time.poll
            )
        assert replies.read_bytes().count(b'"status": 200') == 2000
        assert time.now == pytest.approx(seconds, abs=0.01)


def test_a_fraction_of_a_millisecond_is_waited_for_in_one_turn() -> None:
    """A hundred answers, each 0.7 ms after the one before."""
    time = Time()
    said = b"".join(asked(number, 0.5 + number * 0.0007) for number in range(100))
    replies = converse(node(), said, clock=time.clock, poll=time.poll)
    assert [reply["in_reply_to"] for reply in replies] == list(range(100))
    # Some share a millisecond, and none takes more than one.
    assert 70 <= len(time.turns) <= 100


def test_what_is_said_is_answered_until_the_end() -> None:
    replies = converse(node("a:1", "b:1"), GET * 3)
    assert [reply["backend"] for reply in replies] == ["a", "b", "a"]


def test_at_the_end_it_waits_for_what_is_in_flight() -> None:
    time = Time()
    slow = late_node(timeouts={"attempt": 3.0})
    (reply,) = converse(slow, GET, clock=time.clock, poll=time.poll)
    assert (reply["status"], time.turns) == (504, [3.0])


def test_what_takes_longer_than_the_drain_may_is_answered_503() -> None:
    time = Time()
    (reply,) = converse(late_node(), GET, drain_timeout=5.0, clock=time.clock, poll=time.poll)
    assert (reply["status"], reply["error"]) == (503, "the proxy is shutting down")
    assert time.turns == [5.0]


def test_what_is_due_is_answered_while_nothing_more_is_said() -> None:
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.write(mouth, GET)
        slow = late_node(timeouts={"attempt": 0.01})
        heard: list[bytes] = []

        def listen() -> None:
            heard.append(os.read(ear, 1000))
            os.close(mouth)

        listener = Thread(target=listen, daemon=True)
        listener.start()
        blocking_loop.run(slow, source, sink)
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
        blocking_loop.run(node(), source, sink)
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
        blocking_loop.run(node(), source, sink)
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
        replies = converse(node(), GET * 100)
    assert [reply["status"] for reply in replies] == [200] * 100


def test_nobody_listening_is_no_error() -> None:
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.close(ear)
        os.write(mouth, GET)
        blocking_loop.run(node(), source, sink)


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
        blocking_loop.run(node(), source, sink)
        os.close(sink)
        for other in others:
            other.join()
    assert b"".join(heard).count(b"\n") == 3001


def test_a_read_that_finds_nothing_after_all_is_tried_again() -> None:
    polls: list[int | None] = []
    with pipe() as (source, mouth), pipe() as (ear, sink):
        os.set_blocking(source, False)

        class Hasty(Poll):
            """Says that there is something to read just before there is."""

            def poll(self, milliseconds: int | None) -> list[tuple[int, int]]:
                polls.append(milliseconds)
                if len(polls) == 1:
                    return [(source, select.POLLIN)]
                if len(polls) == 2:
                    os.write(mouth, GET)
                    os.close(mouth)
                return super().poll(milliseconds)

        time = Time()
        blocking_loop.run(node(), source, sink, clock=time.clock, poll=lambda: Hasty(time))
        assert json.loads(os.read(ear, 1000))["body"]["status"] == 200
    assert polls[:2] == [None, None]


def test_a_directory_is_no_input(tmp_path: Path) -> None:
    source = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError, match="'stdin'"):
            blocking_loop.run(node(), source, 1)
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
    one: float | None, other: float | None, waits: int | None
) -> None:
    assert poll_timeout(lambda: 10.0, one, other) == waits
