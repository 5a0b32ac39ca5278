"""Every command in the README does what the README says; every configuration in it is valid."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from l7proxy.core.config import parse_config
from tests.readme import README, Block, blocks, commands, set_up_and_test, sets_up

ROOT = README.parent
NEEDED = ("main.py", "l7proxy", "config", "examples")

RUN = [block for block in commands() if not sets_up(block)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a command may need, with the files that the README has people write."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    for block in blocks():
        if block.language == "python" and block.text.startswith("# "):
            file, _, text = block.text.removeprefix("# ").partition("\n")
            (copy / file).write_text(text)
    programs = copy / "bin"
    programs.mkdir()
    for name, command in (("python3", ""), ("l7proxy", f'"{copy / "main.py"}"')):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        program.chmod(0o755)
    return copy


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.text.splitlines()[0][:60])
def test_the_command_runs_and_prints_what_it_says(block: Block, checkout: Path) -> None:
    path = f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=checkout,
        env={**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if block.printed is not None:
        assert done.stdout == block.printed


def test_the_command_that_sets_up_and_tests_is_the_one_that_ci_runs() -> None:
    # Running it here would run this test again, and so on.
    assert "'.[test]'" in set_up_and_test() and "-m pytest" in set_up_and_test()
    assert '"$(python3 tests/readme.py)"' in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "json"])
def test_every_configuration_shown_is_valid(block: Block) -> None:
    assert isinstance(json.loads(block.text), dict)
    parse_config(block.text)


def test_every_file_that_is_linked_to_is_there() -> None:
    import re

    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert "LICENSE" in links
