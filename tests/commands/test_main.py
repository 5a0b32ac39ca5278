"""What a command line means: which command it names, what is said of mistakes, how it exits."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from errno import EPIPE
from importlib import import_module
from pathlib import Path

import pytest

from l7proxy.commands import COMMANDS, main
from l7proxy.node import blocking_loop
from tests.commands.conftest import Ran
from tests.commands.support import DEFAULT, LOG
from tests.processes import PATIENCE, ROOT, unmeasured

SAMPLE = (ROOT / "examples" / "sample.json").read_text()


def test_the_words_of_the_command_line_are_taken_where_none_are_given(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["l7proxy", "--drain-timeout", "1"])
    assert main() == 0
    assert ran.options["drain_timeout"] == 1.0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_the_module_of_its_name(command: str) -> None:
    module = import_module(f"l7proxy.commands.{command}")
    assert callable(module.run)
    assert (module.__doc__ or "").startswith(f"`l7proxy {command}")


def test_one_envelope_imports_no_command_but_the_node_and_no_parser() -> None:
    code = (
        "import sys; from l7proxy.commands import main; main([]);"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=SAMPLE, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT,
        env=unmeasured(),
    )  # fmt: skip
    imported = done.stderr.split()
    assert done.stdout.count("\n") == 1
    assert {"argparse", "typing", "dataclasses", "asyncio", "ssl", "socket"}.isdisjoint(imported)
    assert [name for name in imported if name.startswith("l7proxy.commands")] == [
        "l7proxy.commands", "l7proxy.commands.console", "l7proxy.commands.node",
    ]  # fmt: skip


def test_help_says_what_each_command_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.partition("commands:\n")[2].splitlines()
    assert listed == [f"  {command:<10}{what}" for command, what in COMMANDS.items()]


@pytest.mark.parametrize(("words", "complaint"), [
    (["--max-message", "0"], "argument --max-message: 0 is not a whole number above 0"),
    (["serve", "--workers", "abc"], "argument --workers: abc is not a whole number above 0"),
    (["--drain-timeout", "x"], "argument --drain-timeout: x is not a number of seconds"),
    (["chekc", "a.json"], 'no command "chekc"; did you mean "check"?'),
    (["a.json"], 'no command "a.json"'),
    (["node"], 'no command "node"'),
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
        main(words)
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("usage: l7proxy")
    assert said[-1].partition(": error: ")[2] == complaint


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_option_says_what_it_is_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    options = re.findall(r"^  (-.*(?:\n {10,}.*)*)", out, re.MULTILINE)
    assert options
    assert [option for option in options if not re.search(r" {2,}\w", option)] == []


def test_a_configuration_that_can_not_be_read_or_used_is_status_2(
    ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, wrong = tmp_path / "missing.json", tmp_path / "wrong.json"
    wrong.write_text('{"backends": []}')
    assert main(["--config", str(missing)]) == 2
    assert main(["check", str(missing)]) == 2
    assert main(["serve", "--listen", "127.0.0.1:0", "--config", str(missing)]) == 2
    assert main(["--config", str(wrong)]) == 2
    assert main(["check", str(wrong)]) == 2
    gone = f"l7proxy: {missing}: No such file or directory\n"
    empty = f"{wrong}: /backends: needs at least 1 element(s)\n"
    assert capsys.readouterr() == ("", gone * 3 + empty * 2)
    assert ran.node is None


@pytest.mark.parametrize(("where", "why"), [
    ({"key_env": "L7PROXY_TEST_NO_SUCH_KEY"},
     'the environment variable "L7PROXY_TEST_NO_SUCH_KEY" is not set'),
    ({"key_file": "/no/such/key"}, "can't read it: No such file or directory"),
], ids=["key_env", "key_file"])  # fmt: skip
@pytest.mark.parametrize("words", [
    [], ["serve", "--listen", "127.0.0.1:0"], ["explain", "/"], ["replay", str(LOG)],
    ["diff", str(LOG), "--against", str(DEFAULT)],
], ids=lambda words: words[0] if words else "node")  # fmt: skip
def test_a_valid_configuration_that_can_not_be_put_to_work_is_status_2_in_every_command(
    ran: Ran,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    where: dict[str, str],
    why: str,
) -> None:
    (key,) = where
    if words[:1] == ["explain"] and key == "key_env":
        # It only asks, perhaps where the configuration's secrets are not at hand.
        return
    file = tmp_path / "keyless.json"
    file.write_text(json.dumps({"backends": ["a:1"], "sticky": {"cookie": where}}))
    assert main([*words, "--config", str(file)]) == 2
    assert capsys.readouterr() == ("", f"{file}: /sticky/cookie/{key}: {why}\n")
    assert ran.node is None


@pytest.mark.usefixtures("kept_stdout")
def test_a_failing_output_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blocking_loop, "run", fail)
    assert main([]) == 1
    assert capsys.readouterr() == ("", "l7proxy: No space left on device\n")


@pytest.mark.usefixtures("kept_stdout")
def test_a_broken_pipe_in_a_command_is_a_quiet_end_with_stdout_pointed_to_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(EPIPE, "Broken pipe")

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Broken())
        assert main(["schema"]) == 0
    assert os.path.samestat(os.fstat(1), os.stat(os.devnull))
    assert capsys.readouterr() == ("", "")
