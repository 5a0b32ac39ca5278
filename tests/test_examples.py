"""The examples that are programs, as somebody runs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.processes import PATIENCE, ROOT

HERD = ROOT / "examples" / "thundering-herd"


@pytest.mark.parametrize("words", [[], ["figure"], ["traffic", "figures"]])
def test_the_herd_says_how_it_is_used(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, str(HERD / "herd.py"), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    usage = "usage: python3 herd.py traffic|figures\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", usage)
