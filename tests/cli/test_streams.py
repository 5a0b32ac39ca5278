"""What stdin, stdout and signals can do to the node, as a process among others."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import MAIN, PATIENCE, start

GET = '{"src": "c", "dest": "p", "body": {"type": "http_request", "msg_id": 1, "path": "/api"}}\n'
MANY = 3000
"""Requests with more answers than a pipe holds."""
PIPE = 1 << 16
"""The bytes that a pipe holds."""

NODE = [sys.executable, str(MAIN)]


class Talk:
    """A running node that is spoken to one message after another."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def say(self, src: str, at: float | None = None, **body: Any) -> None:
        assert self.process.stdin is not None
        envelope = {"src": src, "dest": "p", "body": body}
        if at is not None:
            envelope["at"] = at
        self.process.stdin.write(json.dumps(envelope).encode() + b"\n")
        self.process.stdin.flush()

    def get(self, msg_id: int, path: str = "/p", **more: Any) -> None:
        self.say("c", type="http_request", msg_id=msg_id, path=path, **more)

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line)["body"] if line else None

    def end(self) -> tuple[int, bytes]:
        assert self.process.stderr is not None
        return self.process.wait(PATIENCE), self.process.stderr.read()


@pytest.fixture
def front(tmp_path: Path) -> Path:
    """A configuration whose backend is another node."""
    file = tmp_path / "front.json"
    file.write_text('{"backend_pools": {"p": {"backends": ["b"], "upstream": "envelope"}}}')
    return file


def test_after_a_signal_answers_of_other_nodes_are_heard_and_new_requests_get_503(
    front: Path,
) -> None:
    with start("--config", front) as process:
        talk = Talk(process)
        talk.get(1)
        asked = talk.hear()
        process.send_signal(signal.SIGTERM)
        # Nothing says that the signal was heard but a refusal.
        refused, asked_again = 0, []
        while not refused:
            talk.get(2)
            body = talk.hear()
            if body["type"] == "http_request":
                asked_again.append(body["msg_id"])
            else:
                refused = body["status"]
        assert refused == 503
        for number in (asked["msg_id"], *asked_again):
            talk.say("b", type="http_response", in_reply_to=number, status=204)
        assert [talk.hear()["status"] for _ in (asked, *asked_again)] == [
            204,
            *(204 for _ in asked_again),
        ]
        assert talk.hear() is None
        assert talk.end() == (0, b"")


@pytest.mark.parametrize("numbers", [
    (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM),
])  # fmt: skip
def test_a_second_signal_answers_the_rest_at_once(front: Path, numbers: tuple[int, int]) -> None:
    with start("--config", front) as process:
        talk = Talk(process)
        talk.get(1)
        assert talk.hear()["type"] == "http_request"
        process.send_signal(numbers[0])
        body = {"type": "http_request"}
        while body["type"] == "http_request":
            talk.get(2)
            body = talk.hear()
        process.send_signal(numbers[1])
        assert talk.hear()["status"] == 503
        assert talk.end() == (0, b"")


def test_after_a_signal_the_end_of_input_answers_what_only_input_could(front: Path) -> None:
    with start("--config", front) as process:
        talk = Talk(process)
        talk.get(1)
        body = talk.hear()
        process.send_signal(signal.SIGTERM)
        while body["type"] == "http_request":
            talk.get(2)
            body = talk.hear()
        assert process.stdin is not None
        process.stdin.close()
        assert talk.hear()["status"] == 503
        assert talk.end() == (0, b"")


def test_in_virtual_time_a_signal_lets_everything_happen_at_once() -> None:
    with start() as process:
        talk = Talk(process)
        slow = {"latency": 1000}
        talk.say("c", 0, type="http_request", msg_id=1, path="/api", simulate={"latency": 50})
        talk.say("c", 0, type="http_request", msg_id=2, path="/api", simulate=slow)
        talk.say("c", 0, type="http_request", msg_id=3, path="/api")
        assert talk.hear()["in_reply_to"] == 3
        process.send_signal(signal.SIGTERM)
        assert [talk.hear()["status"] for _ in range(2)] == [200, 504]
        assert talk.end() == (0, b"")


def test_at_the_end_of_input_what_only_input_could_answer_is_answered_at_once(front: Path) -> None:
    with start("--config", front) as process:
        talk = Talk(process)
        talk.get(1)
        assert talk.hear()["type"] == "http_request"
        assert process.stdin is not None
        process.stdin.close()
        assert talk.hear()["status"] == 503
        assert talk.end() == (0, b"")


def shell(script: str, said: str = GET) -> tuple[int, str, str]:
    """Runs a line of shell in which $NODE is the node."""
    command = f"NODE='{NODE[0]} {NODE[1]}'; {script}"
    done = subprocess.run(
        ["bash", "-c", command], input=said, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_stdin_is_no_input_and_closed_stdout_nobody_who_reads(closed: str) -> None:
    assert shell(f"$NODE {closed}") == (0, "", "")


def test_closed_streams_are_the_same_to_a_node_with_real_backends(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"backend_pools": {"p": {"backends": ["127.0.0.1:1"], "upstream": "http"}}}')
    for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
        assert shell(f"$NODE --config {file} {closed}") == (0, "", "")


@pytest.mark.parametrize(("closed", "recorded"), [
    ("<&-", 0), (">&-", 0), ("2>&-", 1), ("<&- >&-", 0),
])  # fmt: skip
def test_a_file_that_is_opened_never_takes_the_place_of_what_is_closed(
    closed: str, recorded: int, tmp_path: Path
) -> None:
    record = tmp_path / "record.jsonl"
    status, out, err = shell(f"$NODE --record {record} {closed}", said="garbage\n" + GET)
    assert (status, out.count("\n"), err) == (0, recorded, "")
    assert [json.loads(line)["src"] for line in record.read_text().splitlines()] == ["c"] * recorded


def test_a_recording_that_fails_loses_no_answer_and_is_status_1() -> None:
    status, out, err = shell("$NODE --record /dev/full", said=GET * 3)
    assert (status, out.count('"status": 200')) == (1, 3)
    assert err == "l7proxy: /dev/full: No space left on device; nothing more is recorded\n"


def test_closed_stderr_is_no_reason_to_stop() -> None:
    status, out, err = shell("$NODE 2>&-", said="garbage\n" + GET)
    assert (status, out.count("api-1"), err) == (0, 1, "")


def test_closed_streams_are_no_traceback_for_commands_either() -> None:
    assert shell("$NODE check - <&-")[0] == 2
    assert shell("$NODE replay - <&-") == shell("$NODE replay - < /dev/null")
    assert shell("$NODE check - >&-", said='{"backends": ["a"]}') == (0, "", "")
    for words in ("explain /api/x", "explain /api/x --json", "replay -"):
        assert shell(f"$NODE {words} >&-") == (0, "", ""), words
    status, out, err = shell("$NODE replay - 2>&-")
    assert (status, out[:9], err) == (0, "1 request", "")


def test_a_full_disk_is_one_line_and_status_1() -> None:
    full = (1, "", "l7proxy: stdout: No space left on device\n")
    assert shell("$NODE > /dev/full") == full
    check = "unset PYTHONUNBUFFERED; $NODE check - > /dev/full"
    assert shell(check, said='{"backends": ["a"]}') == full


def test_input_that_can_not_be_read_is_one_line_and_status_1() -> None:
    assert shell("$NODE 0> /dev/null") == (1, "", "l7proxy: stdin: Bad file descriptor\n")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    file = tmp_path / "many.jsonl"
    file.write_text(GET * MANY)
    return file


def test_output_that_does_not_block_is_waited_for_and_nothing_is_lost(many: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with many.open() as said, subprocess.Popen(NODE, stdin=said, stdout=writer) as process:
        os.close(writer)
        with open(reader, "rb") as out:
            assert out.read().count(b"\n") == MANY
        assert process.wait(PATIENCE) == 0


def stalled(said: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A node that is writing more answers than its pipe holds, to nobody who reads."""
    with said.open() as stdin:
        process = subprocess.Popen(
            [*NODE, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    assert process.stdout is not None
    select.select([process.stdout], [], [], PATIENCE)
    return process


def test_a_signal_starts_the_drain_timeout_even_while_nobody_reads(many: Path) -> None:
    with stalled(many, "--drain-timeout", "0") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b"l7proxy: stdout: nobody reads, and answers are lost\n"


def test_a_second_signal_ends_it_while_nobody_reads(many: Path) -> None:
    with stalled(many, "--drain-timeout", "1000") as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 1


def test_who_reads_on_after_a_signal_gets_every_answer_to_what_was_read(many: Path) -> None:
    with stalled(many) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        answers = process.stdout.read().splitlines(keepends=True)
        # More than the pipe holds: the last were written when there was a reader again.
        assert sum(map(len, answers)) > PIPE
        assert all(json.loads(answer)["body"]["status"] == 200 for answer in answers)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("timeout", ["nan", "-1", "soon"])
def test_a_drain_timeout_that_is_none_is_refused(timeout: str) -> None:
    status, _, err = shell(f"$NODE --drain-timeout={timeout}")
    assert (status, err.splitlines()[-1]) == (
        2, f"l7proxy: error: argument --drain-timeout: {timeout} is not a number of seconds"
    )  # fmt: skip
