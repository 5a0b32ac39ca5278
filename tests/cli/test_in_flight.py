"""The node as a process with requests in flight: every one is answered before it exits."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Thread, Timer
from typing import Any

from tests.processes import PATIENCE, start


@contextmanager
def conversing(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A node to talk to; one that is still silent after so long is killed, and fails its test."""
    with start(*arguments) as process:
        watchdog = Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def line(number: int, path: str = "/p", **more: Any) -> bytes:
    body = {"type": "http_request", "msg_id": number, "path": path, **more}
    return json.dumps({"src": "c", "dest": "lb", "body": body}).encode() + b"\n"


def config(tmp_path: Path, **pool: Any) -> Path:
    """Requests for /p take as long as the pool says, those for /quick no time."""
    file = tmp_path / "config.json"
    pools = {"p": {"backends": ["n1"], **pool}, "quick": {"backends": ["q"]}}
    file.write_text(json.dumps({"backend_pools": pools}))
    return file


def say(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def the_rest(process: subprocess.Popen[bytes]) -> list[tuple[int, int]]:
    """The id and status of every reply until the node has exited, which it must do with 0."""
    assert process.stdout is not None
    bodies = [json.loads(answer)["body"] for answer in process.stdout]
    assert process.wait(PATIENCE) == 0
    return [(body["in_reply_to"], body["status"]) for body in bodies]


def interrupt(process: subprocess.Popen[bytes]) -> list[tuple[int, int]]:
    """Sends a signal, and waits until a new request is refused; returns what was answered."""
    process.send_signal(signal.SIGTERM)
    heard = [(0, 0)]
    for number in count(1000):
        if heard[-1][1] == 503:
            break
        say(process, line(number, "/quick"))
        while heard[-1][0] != number:
            body = hear(process)["body"]
            heard.append((body["in_reply_to"], body["status"]))
    return heard


def test_what_is_in_flight_when_the_input_ends_is_finished(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 0.2})) as process:
        assert process.stdin is not None
        say(process, line(1) + line(2, simulate={"latency": 0.1}))
        process.stdin.close()
        assert the_rest(process) == [(2, 200), (1, 200)]


def test_what_takes_longer_than_the_drain_timeout_is_answered_503(tmp_path: Path) -> None:
    options = ("--config", config(tmp_path), "--drain-timeout", "0.3")
    with conversing(*options) as process:
        assert process.stdin is not None
        say(process, line(1, simulate={"latency": 20}) + line(2, simulate={"latency": 0.1}))
        process.stdin.close()
        assert the_rest(process) == [(2, 200), (1, 503)]


def test_after_a_signal_what_is_in_flight_is_finished_and_what_is_new_refused(
    tmp_path: Path,
) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 1.5})) as process:
        say(process, line(1) + line(2) + line(3, "/quick"))
        assert hear(process)["body"]["in_reply_to"] == 3
        answers = dict([*interrupt(process), *the_rest(process)])
        assert (answers[1], answers[2]) == (200, 200)


def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 50})) as process:
        say(process, line(1) + line(2, "/quick"))
        assert hear(process)["body"]["in_reply_to"] == 2
        interrupt(process)
        process.send_signal(signal.SIGTERM)
        assert the_rest(process) == [(1, 503)]


def test_after_a_signal_the_answers_of_other_nodes_are_still_heard(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, upstream="envelope")) as process:
        say(process, line(1))
        asked = hear(process)
        assert (asked["src"], asked["dest"]) == ("lb", "n1")
        interrupt(process)
        answer = {"type": "http_response", "in_reply_to": asked["body"]["msg_id"], "status": 201}
        say(process, json.dumps({"src": "n1", "dest": "lb", "body": answer}).encode() + b"\n")
        assert the_rest(process) == [(1, 201)]


def test_what_other_nodes_were_asked_is_answered_when_they_can_be_heard_no_more(
    tmp_path: Path,
) -> None:
    file = config(tmp_path, upstream="envelope")
    with conversing("--config", file, "--drain-timeout", "1000") as process:
        assert process.stdin is not None
        say(process, line(1))
        hear(process)
        process.stdin.close()
        assert the_rest(process) == [(1, 503)]


def test_it_ends_quietly_when_the_receiving_side_is_killed(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 0.2})) as process:
        assert process.stdout is not None and process.stderr is not None
        say(process, line(1))
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def test_five_thousand_in_flight_are_all_answered(tmp_path: Path) -> None:
    latency = {"uniform": [0.5, 0.7]}
    with conversing("--config", config(tmp_path, simulate={"latency": latency})) as process:
        stdin = process.stdin
        assert stdin is not None

        def speak() -> None:
            say(process, b"".join(line(number) for number in range(5000)))
            stdin.close()

        # It may stop listening until it is heard.
        speaker = Thread(target=speak)
        speaker.start()
        assert Counter(the_rest(process)) == {(number, 200): 1 for number in range(5000)}
        speaker.join()
