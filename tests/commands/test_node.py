"""`l7proxy [OPTIONS]`: what reaches the node and its loop, without a process for each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from l7proxy.commands import main
from l7proxy.node.node import HANDLERS
from tests.commands.conftest import Ran
from tests.commands.support import envelope, request


def pools(node: Any) -> list[str]:
    """The pools of the configuration that the node runs with, which it is asked for."""
    reply = json.loads(node.feed(envelope("c", type="status", msg_id=1), 0.0))
    return list(reply["body"]["pools"])


def test_without_arguments_it_is_the_node_with_the_default_configuration(ran: Ran) -> None:
    stdout, stderr = os.fstat(1), os.fstat(2)
    assert main([]) == 0
    assert pools(ran.node) == ["api", "static"]
    assert ran.options == {"source": 0, "drain_timeout": 30.0}
    assert os.path.samestat(ran.sink, stdout) and os.path.samestat(os.fstat(1), stdout)
    assert os.path.samestat(ran.printed_to, stderr)


def test_the_options_reach_the_node_and_its_loop(
    ran: Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", str(config), "--max-message", "77", "--drain-timeout", "2.5"]
    assert main(words) == 0
    assert pools(ran.node) == ["default"]
    assert ran.options["drain_timeout"] == 2.5
    assert ran.node.feed(request(1, "/" + "x" * 77), 0.0) == b""
    assert capsys.readouterr().err.startswith("line 2: larger than 77 bytes")


def test_an_init_may_name_what_the_command_line_allows(ran: Ran, config: Path) -> None:
    selector = "tests.core.selectors.third_party:Newest"
    init = envelope("c", type="init", msg_id=1, backends=["a:1"], algorithm=selector)
    assert main(["--config", str(config)]) == 0
    assert "can't be named here" in ran.node.feed(init, 0.0).decode()
    assert main(["--config", str(config), "--allow", "other", "--allow", selector]) == 0
    assert '"init_ok"' in ran.node.feed(init, 0.0).decode()


@pytest.mark.parametrize(("words", "err"), [
    ([], "line 1: not a JSON object: 'x'\n"),
    (["--log-level", "warning"], "line 1: not a JSON object: 'x'\n"),
    (["--log-level", "silent"], ""),
])  # fmt: skip
def test_the_log_level_says_what_is_on_stderr(
    ran: Ran, capsys: pytest.CaptureFixture[str], words: list[str], err: str
) -> None:
    main(words)
    ran.node.feed(b"x\n", 0.0)
    assert capsys.readouterr() == ("", err)


def test_what_is_logged_of_a_message_is_one_line_without_control_characters(
    ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    ran.node.feed(b"s-1\x1b[2J\ris down\n", 0.0)
    assert capsys.readouterr().err == "line 1: not a JSON object: 's-1\\x1b[2J\\ris down'\n"


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
    main(["--log-level", level])
    out = ran.node.feed(b'x\n{"src": "c", "body": {"type": "buggy"}}\n', 0.0)
    assert b'"code": 13' in out
    err = capsys.readouterr().err
    for text in ("line 1: not a JSON object", "ZeroDivisionError: a bug"):
        assert (text in err) is (text in said)
    assert bool(err) is bool(said)


def test_a_recording_that_can_not_be_written_is_status_2_before_anything_is_said(
    ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "none" / "record.jsonl"
    assert main(["--record", str(record)]) == 2
    assert capsys.readouterr() == ("", f"l7proxy: {record}: No such file or directory\n")
    assert ran.node is None
