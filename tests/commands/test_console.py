"""What is said on stderr, and what becomes of a stderr that can't be written to."""

from __future__ import annotations

import io
import sys

import pytest

from l7proxy.commands.console import complain


def test_a_complaint_is_one_line_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    complain("s-1\x1b[2J\nis down")
    assert capsys.readouterr().err == "s-1\\x1b[2J\\nis down\n"


def test_a_stderr_that_is_closed_or_broken_is_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", Broken())
        complain("x")
        patched.setattr(sys, "stderr", None)
        complain("x")
