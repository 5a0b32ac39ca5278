"""What the arguments mean, without a process for each."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from l7proxy import cli
from l7proxy.node import blocking_loop
from l7proxy.node.node import HANDLERS
from tests.processes import ROOT

LOG = ROOT / "examples" / "access.log"


class Ran:
    """Stands for the driver: what it was asked to run."""

    def __init__(self) -> None:
        self.node: Any = None
        self.options: dict[str, Any] = {}

    def __call__(self, node: Any, source: int, sink: int, **options: Any) -> None:
        self.node, self.options = node, {"source": source, "sink": sink, **options}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    runs = Ran()
    monkeypatch.setattr(blocking_loop, "run", runs)
    return runs


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.json"
    file.write_text('{"backends": ["a:1"]}')
    return file


def test_without_arguments_it_is_the_node_with_the_default_configuration(ran: Ran) -> None:
    assert cli.main([]) == 0
    assert list(ran.node.engine.proxy.pools) == ["api", "static"]
    assert ran.options == {"source": 0, "sink": 1, "drain_timeout": 30.0}


def test_the_options_reach_the_node_and_its_driver(ran: Ran, config: Path) -> None:
    words = ["--config", str(config), "--max-message", "77", "--drain-timeout", "2.5"]
    assert cli.main(words) == 0
    assert list(ran.node.engine.proxy.pools) == ["default"]
    assert ran.node._framer._limit == 77
    assert ran.options["drain_timeout"] == 2.5


def test_the_words_of_the_command_line_are_taken_where_none_are_given(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["l7proxy", "--drain-timeout", "1"])
    assert cli.main() == 0
    assert ran.options["drain_timeout"] == 1.0


@pytest.mark.parametrize(("words", "err"), [
    ([], "line 1: not a JSON object: 'x'\n"),
    (["--log-level", "warning"], "line 1: not a JSON object: 'x'\n"),
    (["--log-level", "silent"], ""),
])  # fmt: skip
def test_the_log_level_says_what_is_on_stderr(
    ran: Ran, capsys: pytest.CaptureFixture[str], words: list[str], err: str
) -> None:
    cli.main(words)
    ran.node.feed(b"x\n", 0.0)
    assert capsys.readouterr() == ("", err)


def test_what_is_logged_of_a_message_is_one_line_without_control_characters(
    ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main([])
    ran.node._log("s-1\x1b[2J\nis down")
    assert capsys.readouterr().err == "s-1\\x1b[2J\\nis down\n"


@pytest.mark.parametrize(("level", "said"), [
    ("warning", ["line 1: not a JSON object", "ZeroDivisionError: a bug"]),
    ("error", ["ZeroDivisionError: a bug"]),
    ("silent", []),
])  # fmt: skip
def test_a_bug_is_an_error_and_what_is_wrong_with_a_message_is_a_warning(
    ran: Ran,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    said: list[str],
) -> None:
    def buggy(node: object, envelope: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(HANDLERS, "buggy", buggy)
    cli.main(["--log-level", level])
    out = ran.node.feed(b'x\n{"src": "c", "body": {"type": "buggy"}}\n', 0.0)
    assert b'"code": 13' in out
    err = capsys.readouterr().err
    for text in ("line 1: not a JSON object", "ZeroDivisionError: a bug"):
        assert (text in err) is (text in said)
    assert bool(err) is bool(said)


@pytest.mark.parametrize(("words", "complaint"), [
    (["--max-message", "0"], "argument --max-message: 0 is not a whole number above 0"),
    (["serve", "--workers", "abc"], "argument --workers: abc is not a whole number above 0"),
    (["--drain-timeout", "x"], "argument --drain-timeout: x is not a number of seconds"),
    (["chekc", "a.json"], 'no command "chekc"; did you mean "check"?'),
    (["a.json"], 'no command "a.json"'),
    (["--config", "a.json", "serve"],
     "the command comes first, as in l7proxy serve --config FILE"),
    (["--config", "a.json", "b.json"], "unrecognized arguments: b.json"),
    (["serve", "a.json"],
     "unrecognized arguments: a.json; a configuration is named by --config a.json"),
    (["serve", "--config", "a.json", "b"], "unrecognized arguments: b"),
    (["serve", "--colour"], "unrecognized arguments: --colour"),
    (["test", ".", "--fail-under", "150"],
     "argument --fail-under: 150 is not a percentage from 0 to 100"),
    (["test", ".", "--fail-under", "all"],
     "argument --fail-under: all is not a percentage from 0 to 100"),
    (["replay", "-", "--config", "-"], "stdin can be read once: only one of the files can be -"),
    (["diff", "--against", "-", "-"], "stdin can be read once: only one of the files can be -"),
    (["diff", "--answers", "-", "a", "--config", "-"],
     "stdin can be read once: only one of the files can be -"),
    (["explain"], "the following arguments are required: [METHOD] URL"),
])  # fmt: skip
def test_a_mistake_in_the_usage_is_said_in_words(
    capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("usage: l7proxy")
    assert said[-1].partition(": error: ")[2] == complaint


@pytest.mark.parametrize(
    "word", ["--allow=x%", "--allow=\u00b2", "--allow=-1", "--allow=nan%", "--allow=101%"]
)
def test_what_may_change_is_a_number_a_share_or_a_field(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["diff", str(LOG), "--against", "b.json", word])
    what = word.partition("=")[2]
    assert capsys.readouterr().err.endswith(
        f'argument --allow: "{what}" is not a number, a share or one of'
        " route, pool, backend, status\n"
    )


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_every_option_says_what_it_is_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        cli.main([*command.split(), "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    options = re.findall(r"^  (-.*(?:\n {10,}.*)*)", out, re.MULTILINE)
    assert options
    assert [option for option in options if not re.search(r" {2,}\w", option)] == []


def test_how_explain_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["explain", "--help"])
    assert capsys.readouterr().out.startswith("usage: l7proxy explain [OPTIONS] [METHOD] URL\n")


def test_the_default_configuration_is_named_by_the_file_that_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    monkeypatch.setattr(cli, "DEFAULT_CONFIGS", (str(config.parent / "none.json"), str(config)))
    assert cli.main(["serve", "--listen", "tls:127.0.0.1:0"]) == 2
    assert capsys.readouterr().err == (
        f"{config}: /server/tls: an address that begins with tls: needs certificates\n"
    )


def test_a_failing_output_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blocking_loop, "run", fail)
    assert cli.main([]) == 1
    assert capsys.readouterr() == ("", "l7proxy: No space left on device\n")


def test_a_configuration_that_can_not_be_read_or_used_is_status_2(
    ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, wrong = tmp_path / "missing.json", tmp_path / "wrong.json"
    wrong.write_text('{"backends": []}')
    assert cli.main(["--config", str(missing)]) == 2
    assert cli.main(["check", str(missing)]) == 2
    assert cli.main(["serve", "--listen", "127.0.0.1:0", "--config", str(missing)]) == 2
    assert cli.main(["--config", str(wrong)]) == 2
    assert cli.main(["check", str(wrong)]) == 2
    gone = f"l7proxy: {missing}: No such file or directory\n"
    empty = f"{wrong}: /backends: needs at least 1 element(s)\n"
    assert capsys.readouterr() == ("", gone * 3 + empty * 2)
    assert ran.node is None


@pytest.mark.parametrize("words", [
    [], ["serve", "--listen", "127.0.0.1:0"], ["explain", "/"], ["replay", str(LOG)],
    ["diff", str(LOG), "--against", str(ROOT / "config" / "backends.json")],
], ids=lambda words: words[0] if words else "node")  # fmt: skip
def test_a_valid_configuration_that_can_not_be_put_to_work_is_status_2_in_every_command(
    ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    file = tmp_path / "keyless.json"
    file.write_text(
        '{"backends": ["a:1"], "sticky": {"cookie": {"key_env": "L7PROXY_TEST_NO_SUCH_KEY"}}}'
    )
    assert cli.main([*words, "--config", str(file)]) == 2
    assert capsys.readouterr() == (
        "",
        f"{file}: /sticky/cookie/key_env: "
        'the environment variable "L7PROXY_TEST_NO_SUCH_KEY" is not set\n',
    )
    assert ran.node is None


def test_a_key_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L7PROXY_TEST_KEY", "0123456789abcdef")
    assert cli.read_secret("env", "L7PROXY_TEST_KEY") == b"0123456789abcdef"


def test_a_recording_that_can_not_be_written_is_status_2_before_anything_is_said(
    ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "none" / "record.jsonl"
    assert cli.main(["--record", str(record)]) == 2
    assert capsys.readouterr() == ("", f"l7proxy: {record}: No such file or directory\n")
    assert ran.node is None


def test_check_reads_stdin_for_a_dash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"backends": ["a:1"]}')))
    assert cli.main(["check", "-"]) == 0
    assert capsys.readouterr() == ("<stdin>: fine (1 pool, 1 route)\n", "")


def test_a_stderr_that_is_closed_or_broken_is_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", Broken())
        cli.complain("x")
        patched.setattr(sys, "stderr", None)
        cli.complain("x")


def test_a_broken_pipe_in_a_command_is_a_quiet_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(words: object) -> int:
        raise BrokenPipeError

    taken: list[tuple[int, int]] = []
    monkeypatch.setitem(cli.COMMANDS, "broken", broken)
    monkeypatch.setattr(cli.os, "dup2", lambda old, new: taken.append((old, new)))
    assert cli.main(["broken"]) == 0
    assert taken[0][1] == 1
