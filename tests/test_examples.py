"""The examples that are programs, as somebody runs them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.processes import PATIENCE, ROOT

HERD_CONFIGS = ("unprotected", "protected")
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


@pytest.mark.parametrize("name", HERD_CONFIGS)
def test_the_figures_of_the_herd_are_those_that_it_prints(name: str) -> None:
    page = (HERD / "README.md").read_text()
    (commands, *tables) = re.findall(r"^```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (command,) = [line for line in commands.splitlines() if f" {name}.json " in line]
    done = subprocess.run(
        ["bash", "-c", command.replace("python3 ", f"{sys.executable} ")],
        cwd=HERD,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    printed = done.stdout.splitlines()
    shown = tables[HERD_CONFIGS.index(name)].splitlines()
    assert shown == [line for line in printed if line in shown], done.stdout
    assert (shown[0], shown[-1]) == (printed[0], printed[-1])
