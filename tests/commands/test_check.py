"""`l7proxy check`: where the configuration comes from."""

from __future__ import annotations

import io
import sys

import pytest

from l7proxy.commands import main


def test_check_reads_stdin_for_a_dash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"backends": ["a:1"]}')))
    assert main(["check", "-"]) == 0
    assert capsys.readouterr() == ("<stdin>: fine (1 pool, 1 route)\n", "")
