"""Runs the command line in this process, which is quicker than a new one, and can be measured."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from l7proxy.commands import main
from tests.processes import Outcome


def run(*arguments: str | Path) -> Outcome:
    """What `l7proxy` with these arguments prints, and its exit status."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())
