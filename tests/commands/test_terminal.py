"""What is shown to somebody who sits at a terminal, and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.support import DEFAULT, LOG
from tests.processes import MAIN, PATIENCE


@pytest.fixture
def long_log(tmp_path: Path) -> Path:
    """More messages than go by before a flag is shown."""
    file = tmp_path / "long.log"
    file.write_text(LOG.read_text() * 4)
    assert file.read_text().count("\n") == 1200
    return file


def at_a_terminal(script: str, **environment: str) -> tuple[int, str]:
    """Runs a line of shell in which $L7 is the command; how it ends, and what the terminal shows.

    What it shows has to fit into the terminal's buffer, a few thousand characters.
    """
    terminal, line = os.openpty()
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, "L7": f"{sys.executable} {MAIN}", **environment},
            stdin=subprocess.DEVNULL,
            stdout=line,
            stderr=line,
            timeout=PATIENCE,
        )
        os.write(line, b"\0")
        shown = b""
        while not shown.endswith(b"\0"):
            shown += os.read(terminal, 65536)
    finally:
        os.close(line)
        os.close(terminal)
    return done.returncode, shown[:-1].decode()


@pytest.mark.parametrize("command", ["replay", f"diff --against {DEFAULT}"])
def test_a_bar_shows_how_far_it_is_and_goes_when_it_is_done(command: str, long_log: Path) -> None:
    status, shown = at_a_terminal(f"$L7 {command} --config {DEFAULT} {long_log} > /dev/null")
    assert status == 0
    assert shown.startswith("\r[####") and "% 1024 messages \r" in shown
    assert shown.endswith("\r\x1b[K")


@pytest.mark.parametrize("traffic", ["<(cat {})", "- < {}", "- < <(cat {})"])
def test_there_is_no_bar_where_nobody_knows_how_much_comes(traffic: str, long_log: Path) -> None:
    script = f"$L7 replay --config {DEFAULT} {traffic.format(long_log)} > /dev/null"
    assert at_a_terminal(script) == (0, "")


def test_colours_are_for_a_terminal_that_wants_them() -> None:
    explain = f"$L7 explain /api/x --config {DEFAULT}"
    status, coloured = at_a_terminal(explain, NO_COLOR="")
    assert status == 0 and "\x1b[32m200 from api-1\x1b[0m" in coloured
    for script, environment in ((explain, {"NO_COLOR": "1"}), (f"{explain} | cat", {})):
        status, plain = at_a_terminal(script, **environment)
        assert status == 0 and "200 from api-1" in plain and "\x1b" not in plain
