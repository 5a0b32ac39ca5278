"""The node as a process with requests in flight: every one is answered before it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.processes import PATIENCE, start


def line(number: int, **more: Any) -> bytes:
    body = {"type": "http_request", "msg_id": number, "path": "/p", **more}
    return json.dumps({"src": "c", "dest": "lb", "body": body}).encode() + b"\n"


def config(tmp_path: Path, **pool: Any) -> Path:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"backend_pools": {"p": {"backends": ["n1"], **pool}}}))
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


def seconds_of_cpu(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_what_is_in_flight_when_the_input_ends_is_finished(tmp_path: Path) -> None:
    with start("--config", config(tmp_path, simulate={"latency": 0.2})) as process:
        assert process.stdin is not None
        say(process, line(1) + line(2, simulate={"latency": 0.1}))
        process.stdin.close()
        assert the_rest(process) == [(2, 200), (1, 200)]


def test_what_takes_longer_than_the_drain_timeout_is_answered_503(tmp_path: Path) -> None:
    options = ("--config", config(tmp_path), "--drain-timeout", "0.3")
    with start(*options) as process:
        assert process.stdin is not None
        say(process, line(1, simulate={"latency": 20}) + line(2, simulate={"latency": 0.1}))
        process.stdin.close()
        assert the_rest(process) == [(2, 200), (1, 503)]


def test_after_a_signal_what_is_in_flight_is_finished_and_what_is_new_refused(
    tmp_path: Path,
) -> None:
    with start("--config", config(tmp_path, simulate={"latency": 1.5})) as process:
        say(process, line(1) + line(2, simulate={}) + line(3, simulate={"latency": 0}))
        assert hear(process)["body"]["in_reply_to"] == 3
        process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        say(process, line(4))
        assert the_rest(process) == [(4, 503), (1, 200), (2, 200)]


def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    with start("--config", config(tmp_path, simulate={"latency": 50})) as process:
        say(process, line(1) + line(2, simulate={"latency": 0}))
        assert hear(process)["body"]["in_reply_to"] == 2
        process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        assert the_rest(process) == [(1, 503)]


def test_after_a_signal_the_answers_of_other_nodes_are_still_heard(tmp_path: Path) -> None:
    with start("--config", config(tmp_path, upstream="envelope")) as process:
        say(process, line(1))
        asked = hear(process)
        assert (asked["src"], asked["dest"]) == ("lb", "n1")
        process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        answer = {"type": "http_response", "in_reply_to": asked["body"]["msg_id"], "status": 201}
        say(process, json.dumps({"src": "n1", "dest": "lb", "body": answer}).encode() + b"\n")
        assert the_rest(process) == [(1, 201)]


def test_what_other_nodes_were_asked_is_answered_when_they_can_be_heard_no_more(
    tmp_path: Path,
) -> None:
    with start("--config", config(tmp_path, upstream="envelope")) as process:
        assert process.stdin is not None
        say(process, line(1))
        hear(process)
        began = time.monotonic()
        process.stdin.close()
        assert the_rest(process) == [(1, 503)]
        assert time.monotonic() - began < 5


def test_it_ends_quietly_when_the_receiving_side_is_killed(tmp_path: Path) -> None:
    with start("--config", config(tmp_path, simulate={"latency": 0.2})) as process:
        assert process.stdout is not None and process.stderr is not None
        say(process, line(1))
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_five_thousand_in_flight_are_all_answered_and_cost_nothing_while_they_wait(
    tmp_path: Path,
) -> None:
    """Each takes 3.0 to 3.5 s, so that all are in flight at once and nothing is due for 2 s."""
    latency = {"uniform": [3.0, 3.5]}
    with start("--config", config(tmp_path, simulate={"latency": latency})) as process:
        assert process.stdin is not None
        say(process, b"".join(line(number) for number in range(5000)))
        say(process, line(-1, simulate={"latency": 0}))
        assert hear(process)["body"]["in_reply_to"] == -1
        # The first of them may be due 3 s after it was read: look at the second before that.
        before = seconds_of_cpu(process)
        time.sleep(1)
        assert seconds_of_cpu(process) - before <= 0.02
        process.stdin.close()
        answers = Counter(the_rest(process))
        assert answers == {(number, 200): 1 for number in range(5000)}


def test_a_fraction_of_a_millisecond_is_waited_for_without_spinning(tmp_path: Path) -> None:
    """A hundred answers, each 0.7 ms after the one before: one turn of the loop for each."""
    with start("--config", config(tmp_path)) as process:
        assert process.stdin is not None
        waits = [0.5 + number * 0.0007 for number in range(100)]
        requests = (line(n, simulate={"latency": wait}) for n, wait in enumerate(waits))
        say(process, b"".join(requests) + line(-1, simulate={"latency": 0}))
        assert hear(process)["body"]["in_reply_to"] == -1
        before = seconds_of_cpu(process)
        heard = [hear(process)["body"]["in_reply_to"] for _ in range(100)]
        assert heard == list(range(100))
        assert seconds_of_cpu(process) - before < 0.1
        process.stdin.close()
        assert the_rest(process) == []
