"""What stdin, stdout and signals can do to the node, as a process among others."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.support import GET, shell
from tests.processes import MAIN, PATIENCE

MANY = 3000
"""Requests with more answers than a pipe holds."""
PIPE = 1 << 16
"""The bytes that a pipe holds."""

NODE = [sys.executable, str(MAIN)]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_stdin_is_no_input_and_closed_stdout_nobody_who_reads(closed: str) -> None:
    assert shell(f"$L7 {closed}") == (0, "", "")


def test_closed_streams_are_the_same_to_a_node_with_real_backends(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"backend_pools": {"p": {"backends": ["127.0.0.1:1"], "upstream": "http"}}}')
    for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
        assert shell(f"$L7 --config {file} {closed}") == (0, "", "")


@pytest.mark.parametrize(("closed", "recorded"), [
    ("<&-", 0), (">&-", 0), ("2>&-", 1), ("<&- >&-", 0),
])  # fmt: skip
def test_a_file_that_is_opened_never_takes_the_place_of_what_is_closed(
    closed: str, recorded: int, tmp_path: Path
) -> None:
    record = tmp_path / "record.jsonl"
    status, out, err = shell(f"$L7 --record {record} {closed}", said="garbage\n" + GET)
    assert (status, out.count("\n"), err) == (0, recorded, "")
    assert [json.loads(line)["src"] for line in record.read_text().splitlines()] == ["c"] * recorded


def test_a_recording_that_fails_loses_no_answer_and_is_status_1() -> None:
    status, out, err = shell("$L7 --record /dev/full", said=GET * 3)
    assert (status, out.count('"status": 200')) == (1, 3)
    assert err == "l7proxy: /dev/full: No space left on device; nothing more is recorded\n"


def test_closed_stderr_is_no_reason_to_stop() -> None:
    status, out, err = shell("$L7 2>&-", said="garbage\n" + GET)
    assert (status, out.count("api-1"), err) == (0, 1, "")


def test_closed_streams_are_no_traceback_for_commands_either() -> None:
    assert shell("$L7 check - <&-")[0] == 2
    assert shell("$L7 replay - <&-") == shell("$L7 replay - < /dev/null")
    assert shell("$L7 check - >&-", said='{"backends": ["a"]}') == (0, "", "")
    for words in ("explain /api/x", "explain /api/x --json", "replay -"):
        assert shell(f"$L7 {words} >&-") == (0, "", ""), words
    status, out, err = shell("$L7 replay - 2>&-")
    assert (status, out[:9], err) == (0, "1 request", "")


def test_a_full_disk_is_one_line_and_status_1() -> None:
    full = (1, "", "l7proxy: stdout: No space left on device\n")
    assert shell("$L7 > /dev/full") == full
    check = "unset PYTHONUNBUFFERED; $L7 check - > /dev/full"
    assert shell(check, said='{"backends": ["a"]}') == full


def test_input_that_can_not_be_read_is_one_line_and_status_1() -> None:
    assert shell("$L7 0> /dev/null") == (1, "", "l7proxy: stdin: Bad file descriptor\n")


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
