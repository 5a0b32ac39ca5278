"""Every command in the README does what the README says; every configuration in it is valid."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7proxy.commands import COMMANDS
from l7proxy.commands.version import version_line
from l7proxy.core.config import parse_config
from l7proxy.core.config.routes import CONDITIONS
from l7proxy.node.node import HANDLERS
from l7proxy.tools.schema import config_schema
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
    # What serves says what it is, which is not the same everywhere.
    complaints = done.stderr.replace(f"{version_line()}\n", "", 1)
    assert (done.returncode, complaints) == (0, "")
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


def test_the_table_of_the_http_proxy_has_every_key_and_its_default() -> None:
    section = README.read_text().partition("\n## As an HTTP proxy\n")[2].partition("\n## ")[0]
    documented: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`[sh].*?) \| (.*?) \|", section, re.MULTILINE):
        keys = re.findall("`(.*?)`", names)
        full = [keys[0], *(k if k[0] != "." else keys[0].rpartition(".")[0] + k for k in keys[1:])]
        documented |= zip(full, defaults.split(", "), strict=True)
    definitions = config_schema()["$defs"]
    known = {
        f"{name}.{key}": default
        for name, record in (("server", "ServerConfig"), ("http", "HttpConfig"))
        for key, default in defaults_of(record, definitions)
    }
    assert documented == known


def test_the_tables_have_every_command_condition_and_message() -> None:
    text = README.read_text()
    conditions = first_cells(text, "| condition | holds for |")
    assert [name for name in CONDITIONS if f'"{name}"' not in conditions] == []
    listed = re.findall(r"`l7proxy (\w+)", first_cells(text, "| command | what it does |"))
    assert listed == list(COMMANDS)
    messages = re.findall('"type": "(.*?)"', text)
    assert [name for name in HANDLERS if name not in messages] == []


def first_cells(text: str, heading: str) -> str:
    """The first cells of the rows of the table with that heading."""
    table = text.partition(heading)[2].partition("\n\n")[0]
    return "\n".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))


def defaults_of(record: str, definitions: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every key in a record, those of records in it after a dot, and how its default is shown."""
    schema = definitions[record]
    for key, value in schema["properties"].items():
        if "$ref" in value:
            for inner, default in defaults_of(value["$ref"].rpartition("/")[2], definitions):
                yield f"{key}.{inner}", default
        elif key in schema.get("required", ()):
            yield key, "required"
        else:
            default = value.get("default", "none")
            yield key, default if isinstance(default, str) else json.dumps(default)


def test_every_file_that_is_linked_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert "LICENSE" in links
