"""The page on logs has every format and every wrapping, and its commands run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from l7proxy.tools.formats.fields import WANTED
from l7proxy.tools.formats.registry import BY_NAME
from l7proxy.tools.formats.wrappings import WRAPPINGS
from tests.processes import ROOT
from tests.readme import README, Block, blocks
from tests.tools.here import run

PAGE = (ROOT / "docs" / "logs.md").read_text()
JSON_LOG = '{"ts": 1, "http": {"path": "/api"}, "took": 5}\n'


def table(heading: str) -> str:
    """The rows of the table with that heading."""
    return (
        PAGE.partition(heading)[2].partition("\n\n")[0].partition("\n| --- ")[2].partition("\n")[2]
    )


def test_it_has_every_format_and_what_it_is_recognised_by() -> None:
    assert table("| format | what writes it |").splitlines() == [
        f"| `{each.name}` | {each.what} | {each.sign} |" for each in BY_NAME.values()
    ]


def test_it_has_everything_that_may_be_around_lines() -> None:
    assert table("| in | a line |").splitlines() == [
        f"| {each.name} | {each.sign} |".replace("web-1  | ", r"web-1  \| ") for each in WRAPPINGS
    ]


def test_it_has_everything_that_a_mapping_may_name() -> None:
    named = set(re.findall(r"`([\w:]+)`", PAGE))
    assert {*WANTED, "header:NAME"} - named == set()


@pytest.mark.parametrize(
    "block", [block for block in blocks(PAGE) if block.language == "sh"], ids=lambda b: b.text[:60]
)
def test_its_commands_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "api.jsonl").write_text(JSON_LOG)
    monkeypatch.chdir(tmp_path)
    _, *words = shlex.split(block.text)
    done = run(*words)
    assert (done.status, done.err) == (0, "")
    assert re.match(r"[1-9]\d* requests ", done.out)


def test_the_readme_leads_to_it() -> None:
    assert "(docs/logs.md)" in README.read_text()
