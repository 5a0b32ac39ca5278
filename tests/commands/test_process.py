"""The node as a process, as a Unix user meets it: pipes, signals, exit statuses."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.support import DEFAULT, GET, LOG, REPLY, conversing, shell
from tests.processes import MAIN, PATIENCE, ROOT, run

SAMPLE = (ROOT / "examples" / "sample.json").read_text()
ANSWER = REPLY.replace('"p"', '"l7_proxy"').replace('"c"', '"client"') % 1


def test_no_input_is_no_output_and_fine() -> None:
    assert run(said=b"") == (0, "", "")


def test_the_sample_is_answered_from_any_directory(tmp_path: Path) -> None:
    assert run(said=SAMPLE, cwd=tmp_path) == (0, ANSWER, "")


def test_python_m_runs_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "l7proxy"],
        input=SAMPLE,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, ANSWER, "")


def test_a_last_line_without_newline_is_answered() -> None:
    assert run(said=GET + GET.rstrip()) == (0, REPLY % 1 + REPLY % 2, "")


def test_each_message_is_answered_before_more_is_said() -> None:
    with conversing() as node:
        for turn in (1, 2, 3, 1):
            node.say(GET.encode())
            assert node.stdout.readline().decode() == REPLY % turn
        node.stdin.close()
        assert node.ends() == (0, b"")


def test_it_ends_quietly_when_nobody_reads_on() -> None:
    done = shell('$L7 | head -n 1; echo "${PIPESTATUS[0]}"', said=GET * 50_000)
    assert (done.out, done.err) == (REPLY % 1 + "0\n", "")


def test_it_ends_quietly_when_stdout_is_closed_from_the_start() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, str(MAIN)],
        input=GET.encode(),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("redirection", "status", "err"), [
    (">/dev/full", 1, "l7proxy: stdout: No space left on device\n"),
    ("2>&-", 0, ""),
    ("2>/dev/full", 0, ""),
])  # fmt: skip
def test_what_is_closed_or_full_is_said_in_one_line_and_never_a_traceback(
    redirection: str, status: int, err: str
) -> None:
    said = "junk\n" * (not err) + GET
    assert shell(f"$L7 {redirection}", said) == (status, REPLY % 1 if status == 0 else "", err)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [
    "check {config}", "schema", "explain /api", "replay {log} --config {config}",
    "replay {log} --config {config} --json", "diff {log} --against {config}",
    "test {shop} --config {shop}/config.json",
])  # fmt: skip
def test_a_command_whose_output_is_full_or_gone_says_so_or_ends_quietly(
    command: str, unbuffered: str
) -> None:
    shop = ROOT / "examples" / "shop"
    words = command.format(shop=shop, log=LOG, config=DEFAULT).split()

    def done(stdout: int) -> tuple[int, bytes]:
        ran = subprocess.run(
            [sys.executable, str(MAIN), *words],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
        )
        os.close(stdout)
        return ran.returncode, ran.stderr

    full = b"l7proxy: stdout: No space left on device\n"
    assert done(os.open("/dev/full", os.O_WRONLY)) == (1, full)
    reader, writer = os.pipe()
    os.close(reader)
    assert done(writer) == (0, b"")


def test_files_that_can_not_be_opened_or_written_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "x"
    text, cut = tmp_path / "text.gz", tmp_path / "cut.gz"
    text.write_text("this is not gzipped")
    cut.write_bytes(gzip.compress(LOG.read_bytes())[:-20])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(cut.read_bytes()[:10] + 50 * b"\xff")
    gone, full = "No such file or directory", "No space left on device"
    cases: list[tuple[int, str, Path | str, tuple[Path | str, ...]]] = [
        (2, gone, missing, ("replay", missing)),
        (2, gone, missing.with_suffix(".gz"), ("replay", missing.with_suffix(".gz"))),
        (2, gone, missing, ("replay", LOG, "--html", missing)),
        (2, gone, missing, ("diff", LOG, "--answers", missing)),
        (2, gone, missing, ("check", missing)),
        (2, gone, missing, ("--record", missing)),
        (1, full, "/dev/full", ("replay", LOG, "--html", "/dev/full")),
        (2, "no known format", text, ("replay", text)),
        (1, "Compressed file ended before the end-of-stream marker was reached", cut,
         ("replay", cut)),
        (1, "Error -3 while decompressing data: ", broken, ("replay", broken)),
    ]  # fmt: skip
    for status, why, name, words in cases:
        outcome = run(*words, *(() if words[0] == "check" else ("--config", DEFAULT)), said=GET)
        assert outcome.status == status, words
        assert outcome.err.startswith(f"l7proxy: {name}: {why}"), words
        assert outcome.err.count("\n") == 1, words


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_stream_lets_it_finish_what_it_has_and_exit_with_0(number: int) -> None:
    with conversing() as node:
        node.say((GET * 3 + '{"src": "c", "bo').encode())
        heard = [node.stdout.readline().decode() for _ in range(3)]
        node.signal(number)
        assert node.ends() == (0, b"")
        assert heard == [REPLY % turn for turn in (1, 2, 3)]
        assert node.stdout.read() == b""


@pytest.mark.parametrize("words", [
    ["replay", "--config", DEFAULT], ["diff", "--against", DEFAULT], ["check"], ["--config"],
    ["explain", "/", "--config"],
], ids=lambda words: words[0])  # fmt: skip
def test_an_interrupt_while_a_command_reads_is_130_and_no_traceback(
    words: list[str | Path], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, str(MAIN), *map(str, words), str(pipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A test run in the background ignores interrupts, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    # Opening the pipe takes until the command opens it, too.
    with process, open(pipe, "wb"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_garbage_is_a_line_on_stderr_and_silent_makes_it_none() -> None:
    said = "hello\n" + GET
    assert run(said=said) == (0, REPLY % 1, "line 1: not a JSON object: 'hello'\n")
    assert run("--log-level", "silent", said=said) == (0, REPLY % 1, "")


def test_a_message_over_the_limit_is_dropped_and_said_so() -> None:
    large = GET.replace("/api", "/" + "x" * 500)
    outcome = run("--max-message", "300", said=large + GET)
    assert outcome.out == REPLY % 1
    assert outcome.err.startswith("line 1: larger than 300 bytes")


def test_a_configuration_that_is_not_there_is_status_2_and_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    err = f"l7proxy: {missing}: No such file or directory\n"
    assert run("--config", missing, said=GET) == (2, "", err)
    assert run("--config", tmp_path, said=GET) == (2, "", f"l7proxy: {tmp_path}: Is a directory\n")


@pytest.mark.parametrize(("text", "problem"), [
    ("{", "not JSON: Expecting property name enclosed in double quotes (line 1, column 2)"),
    ("[]", "the configuration must be a JSON object"),
    ("{}", '"backend_pools" is missing'),
    ('{"backend_pools": {"a": {"backends": []}}}',
     "/backend_pools/a/backends: needs at least 1 element(s)"),
    ('{"backends": ["a:1"], "options": {"x": 1}}',
     '/options/x: unknown key'),
])  # fmt: skip
def test_a_wrong_configuration_is_status_2_with_its_problems_and_nothing_on_stdout(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(text)
    status, out, err = run("--config", file, said=GET)
    assert (status, out) == (2, "")
    assert err == f"{file}: {problem}\n"


def test_every_problem_of_a_configuration_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(
        '{"backend_pools": {"users": {"backends": ["a", "a:70000"], "algoritm": "x"}},'
        ' "routes": [{"path": "/", "backend_pool": "user"}, {"path": 5, "backend_pool": "users"}]}'
    )
    status, out, err = run("check", file)
    assert (status, out) == (2, "")
    assert err.splitlines() == [
        f"{file}: {problem}"
        for problem in (
            '/backend_pools/users/algoritm: unknown key; did you mean "algorithm"?',
            '/backend_pools/users/backends/1: "a:70000": the port must be a number from 1 to 65535',
            "/routes/1/path: must be a string, not a number",
            '/routes/0/backend_pool: no pool named "user"; did you mean "users"?',
        )
    ]


def test_check_says_that_a_good_configuration_is_fine() -> None:
    assert run("check", DEFAULT) == (0, f"{DEFAULT}: fine (2 pools, 2 routes)\n", "")


def test_a_dash_reads_the_configuration_from_stdin() -> None:
    assert run("check", "-", said='{"backends": ["a"]}').out == "<stdin>: fine (1 pool, 1 route)\n"
    assert run("--config", "-", said='{"backends": ["a"]}') == (0, "", "")


def test_unknown_arguments_are_status_2_and_a_usage_line() -> None:
    status, out, err = run("--colour")
    assert (status, out) == (2, "")
    assert err.startswith("usage: l7proxy") and "--colour" in err
    status, out, err = run("--max-message", "0")
    assert (status, out) == (2, "")
    assert "--max-message" in err


@pytest.mark.parametrize("timeout", ["nan", "-1", "soon"])
def test_a_drain_timeout_that_is_none_is_refused(timeout: str) -> None:
    status, _, err = shell(f"$L7 --drain-timeout={timeout}")
    assert (status, err.splitlines()[-1]) == (
        2, f"l7proxy: error: argument --drain-timeout: {timeout} is not a number of seconds"
    )  # fmt: skip


def test_help_names_every_command_and_version_is_one_line() -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert "check" in out and "--config FILE" in out
    status, out, complaints = run("--version")
    assert (status, complaints) == (0, "")
    assert re.fullmatch(r"l7proxy [\d.]+ \((pure|compiled), CPython 3\.\d+\)\n", out)


def test_printing_to_a_closed_pipe_is_no_traceback() -> None:
    done = shell('$L7 --help | true; echo "${PIPESTATUS[0]}"')
    assert (done.out, done.err) == ("0\n", "")
