"""The names in the code are the field's words, and the glossary explains those that are ours.

Words that were given up stay out of the names of functions, classes, variables and files; what to
say instead is written beside them. Names of tests are sentences, in which words of everyday
English are as good as any.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHECKED = ("l7proxy", "tests")
GLOSSARY = "docs/glossary.md"

PRIVATE = {
    "carrier": "dispatcher",
    "contest": "kinetic tournament",
    "entrant": "line of a kinetic tournament",
    "entrants": "lines of a kinetic tournament",
    "express": "there is one path for all requests",
    "hearer": "observer",
    "hearers": "observers",
    "journey": "decision",
    "journeys": "decisions",
    "lane": "route",
    "lanes": "routes",
    "lower bar": "clear a flag",
    "outbox": "write batcher",
    "raise bar": "set a flag",
    "rehearsal": "replay node",
    "relay": "handover",
    "tally": "metrics",
    "turnstile": "keyed bucket",
    "unsendable": "reject",
    "verdict": "local reply",
    "verdicts": "local replies",
    "witness": "recording node",
}
"""Words of a language of our own, and what the field says instead."""

EVERYDAY = {
    "bars": "flags",
    "because": "a reason, or with_detail",
    "chance": "random streams, or a probability",
    "noticed": "notify",
    "patience": "a timeout, a deadline or a count",
    "seek": "select",
    "settle": "commit",
    "stays": "handover",
    "take on": "advance",
    "take over": "handover",
    "told": "notify, or what exactly it is",
    "under way": "started, or in flight",
    "watcher": "observer",
    "whole": "buffered, complete or all",
}
"""Words of everyday English that stood for something else in names."""

ALLOWED: dict[str, tuple[str, ...]] = {
    "patience": ("tests/",),
    "settle": ("tests/core/",),
    "told": ("tests/commands/", "tests/core/", "tests/server/"),
    "under way": ("tests/core/",),
    "whole": (
        "tests/core/config/",
        "tests/envelope/",
        "tests/http1/",
        "tests/server/",
        "tests/upstreams/",
    ),
}
"""Where a word may still be, as beginnings of paths. This is to become less, and never more."""


def violations(root: Path) -> list[str]:
    """Every name in the checkout with a word in it that was given up."""
    return [
        f"{file}:{line}: {name}: not {word!r} but {instead!r}"
        for folder in CHECKED
        for path in sorted((root / folder).rglob("*.py"))
        for file in [path.relative_to(root).as_posix()]
        for line, name in [(1, path.stem), *sorted(names(path.read_text()))]
        for word, instead in given_up(name)
        if not file.startswith(ALLOWED.get(word, ())) and file != "tests/test_names.py"
    ]


@cache
def given_up(name: str) -> list[tuple[str, str]]:
    """The words in a name that were given up, each with what to say instead."""
    said = f" {' '.join(words(name))} ".replace(" whole number ", " integer ")
    known = PRIVATE if name.startswith("test_") else PRIVATE | EVERYDAY
    return [(word, instead) for word, instead in known.items() if f" {word} " in said]


def words(name: str) -> list[str]:
    """The words of a name in any of Python's spellings, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


@cache
def names(text: str) -> frozenset[tuple[int, str]]:
    """Every name that a file gives to something or uses, with its line; copies are read once."""
    return frozenset(_names(ast.parse(text)))


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.keyword) and node.arg is not None:
            yield node.value.lineno, node.arg


def unknown(root: Path) -> list[str]:
    """What the glossary says is a name in the code, and is none."""
    known = known_names(root)
    return [
        f"{word}: {name}"
        for word, given in entries(root)
        for name in given
        if not known.issuperset(re.findall(r"\w+", name))
    ]


@cache
def known_names(root: Path) -> frozenset[str]:
    """Every name in the package: of files and rooms, in the code, and options of commands."""
    found: set[str] = set()
    for path in (root / "l7proxy").rglob("*.py"):
        found |= {path.stem, path.parent.name}
        text = path.read_text()
        found.update(name for _, name in names(text))
        found.update(re.findall(r'"--([a-z]+)"', text))
    return frozenset(found)


def entries(root: Path) -> list[tuple[str, list[str]]]:
    """The words that the glossary explains, each with the names that it has in the code."""
    text = (root / GLOSSARY).read_text()
    found = re.findall(r"^\*\*(.+?)\*\*(?: \((.*?)\))?:", text, re.MULTILINE | re.DOTALL)
    return [(word, re.findall("`(.+?)`", given)) for word, given in found]


def copy_of_the_checkout(folder: Path) -> Path:
    for name in (*CHECKED, "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_names_are_the_fields_words() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(("file", "line", "complaint"), [
    ("l7proxy/core/pool/pool.py", "class PoolCarrier: ...", "PoolCarrier: not 'carrier' but"),
    ("l7proxy/core/pool/pool.py", "FAST_LANES = 3", "FAST_LANES: not 'lanes' but 'routes'"),
    ("l7proxy/core/pool/pool.py", "def _take_over(): ...", "_take_over: not 'take over' but"),
    ("l7proxy/http1/body.py", "def f(whole): ...", "whole: not 'whole' but"),
    ("l7proxy/http1/body.py", "f(because=1)", "because: not 'because' but"),
    ("l7proxy/http1/body.py", "self.on_hearers()", "on_hearers: not 'hearers' but 'observers'"),
    ("tests/core/test_timers.py", "def test_a_witness_sees_it(): ...", "not 'witness' but"),
])  # fmt: skip
def test_a_copy_in_which_a_word_comes_back_is_found_out(
    tmp_path: Path, file: str, line: str, complaint: str
) -> None:
    copy = copy_of_the_checkout(tmp_path)
    (copy / file).write_text((copy / file).read_text() + f"\n{line}\n")
    (found, *_) = violations(copy)
    assert found.startswith(f"{file}:")
    assert complaint in found


@pytest.mark.parametrize("line", [
    "def test_it_is_told_because_the_whole_is_there(): ...",
    "expressly = planes = wholesale = barstool = 1",
    "'the whole verdict'  # of a witness",
])  # fmt: skip
def test_everyday_words_may_be_in_sentences_and_parts_of_words_anywhere(
    tmp_path: Path, line: str
) -> None:
    copy = copy_of_the_checkout(tmp_path)
    (copy / "tests" / "test_more.py").write_text(f"{line}\n")
    assert violations(copy) == []


def test_a_file_whose_name_comes_back_is_found_out(tmp_path: Path) -> None:
    copy = copy_of_the_checkout(tmp_path)
    (copy / "l7proxy" / "node" / "rehearsal.py").write_text("")
    (found,) = violations(copy)
    assert found == "l7proxy/node/rehearsal.py:1: rehearsal: not 'rehearsal' but 'replay node'"


def test_what_the_glossary_names_is_there() -> None:
    assert unknown(ROOT) == []
    assert len(entries(ROOT)) > 60


def test_a_glossary_that_names_what_is_not_there_is_found_out(tmp_path: Path) -> None:
    copy = copy_of_the_checkout(tmp_path)
    page = copy / GLOSSARY
    page.write_text(page.read_text().replace("`Dispatcher`", "`Dispatcher`, `Carrier.carry`"))
    assert unknown(copy) == ["dispatcher: Carrier.carry"]


def test_the_glossary_is_in_alphabetical_order() -> None:
    explained = [word.lower() for word, _ in entries(ROOT)]
    assert explained == sorted(explained)
    text = (ROOT / GLOSSARY).read_text()
    assert len(explained) == len(re.findall(r"^\*\*", text, re.MULTILINE))


def test_no_word_is_both_explained_and_given_up() -> None:
    assert {word for word, _ in entries(ROOT)}.isdisjoint(PRIVATE | EVERYDAY)
