"""`l7proxy explain`: how it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from l7proxy.commands import main
from tests.processes import MAIN, PATIENCE


def test_how_explain_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    assert capsys.readouterr().out.startswith("usage: l7proxy explain [OPTIONS] [METHOD] URL\n")


@pytest.mark.parametrize(("encoding", "shown"), [
    ("ascii", ["|- route    /api/*", "`- attempt  1: caf\\xe9, status 200"]),
    ("latin-1", ["|- route    /api/*", "`- attempt  1: caf\xe9, status 200"]),
    ("utf-8", ["\u251c\u2500 route    /api/*", "\u2514\u2500 attempt  1: caf\xe9, status 200"]),
    ("cp437", ["\u251c\u2500 route    /api/*", "\u2514\u2500 attempt  1: caf\xe9, status 200"]),
])  # fmt: skip
def test_a_tree_is_drawn_with_what_the_terminal_has(
    tmp_path: Path, encoding: str, shown: list[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"backend_pools": {"api": {"backends": [{"name": "caf\xe9"}]}}}))
    done = subprocess.run(
        [sys.executable, MAIN, "explain", "/api", "--config", file],
        env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode(encoding).splitlines()
    assert set(shown) <= set(lines)


def test_what_a_terminal_can_not_show_is_escaped_whatever_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    pool = {"backends": ["a"], "algorithm": "rr"}
    file.write_text(json.dumps({"backend_pools": {"caf\xe9": pool}}))
    done = subprocess.run(
        [sys.executable, MAIN, "check", file],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"/backend_pools/caf\\xe9/algorithm: note: " in done.stdout
