"""Runs the command line as a user does: a real process, real pipes, real signals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MAIN = ROOT / "main.py"
PATIENCE = 30


class Outcome(NamedTuple):
    """How a process ended and what it printed."""

    status: int
    out: str
    err: str


def unmeasured() -> dict[str, str]:
    """The environment in which a process loads nothing that measures what the tests cover."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def run(*arguments: str | Path, said: str | bytes = b"", cwd: Path | None = None) -> Outcome:
    """Runs `main.py` with the arguments and `said` on stdin, to its end."""
    done = subprocess.run(
        [sys.executable, str(MAIN), *map(str, arguments)],
        input=said.encode() if isinstance(said, str) else said,
        capture_output=True,
        timeout=PATIENCE,
        cwd=cwd,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """Starts `main.py` with pipes on all sides; use it in a `with` statement."""
    return subprocess.Popen(
        [sys.executable, str(MAIN), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
