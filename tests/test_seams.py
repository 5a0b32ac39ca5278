"""Tests use what is public: none reaches into what a class or a module keeps to itself.

A test that does so breaks with every change of the inside, and hides that the outside has no way
to do the same. Where one is missing, it is made: an argument, a property, a public name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

OF_NAMED_TUPLES = {"_asdict", "_field_defaults", "_fields", "_replace"}
"""What is public in spite of its underscore, as Python's documentation says."""

BY_NAME = {"attrgetter", "delattr", "delitem", "getattr", "hasattr", "methodcaller", "setattr"}
BY_NAME |= {"object", "patch", "setitem"}
"""Functions, the last word of each, that are given the names of attributes as strings."""


def reaches(root: Path) -> list[str]:
    """Every place in the tests where something private of others is used."""
    return [
        f"{path.relative_to(root).as_posix()}:{line}: {what}"
        for path in sorted((root / "tests").rglob("*.py"))
        for line, what in reaches_of(path.read_text())
    ]


def reaches_of(text: str) -> list[tuple[int, str]]:
    """The places in a file, as its lines and what is used there."""
    return sorted(_reaches(ast.parse(text)))


def _reaches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if is_private(node.attr) and not _is_own(node.value):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            for name in (module, *(alias.name for alias in node.names)):
                if is_private(name):
                    yield node.lineno, name
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in BY_NAME:
            for given in node.args:
                if isinstance(given, ast.Constant) and is_private(str(given.value)):
                    yield node.lineno, ast.unparse(node)


def is_private(name: str) -> bool:
    """Whether a name, or a part of one with dots, is private; `__init__` and its like are not."""
    return any(
        part.startswith("_")
        and part.strip("_") != ""
        and not (part.startswith("__") and part.endswith("__"))
        and part not in OF_NAMED_TUPLES
        for part in name.split(".")
    )


def _is_own(owner: ast.expr) -> bool:
    """Whether the attributes of an expression are those of the class that it is written in."""
    return ast.unparse(owner) in ("self", "cls", "super()")


def test_no_test_reaches_into_what_is_private() -> None:
    assert reaches(ROOT) == []


@pytest.mark.parametrize("line", [
    "pool._queue",
    "self.pool._queue = []",
    "story.pool._start(0.0)",
    "timers.Timers._heap",
    "made()._heap[0]",
    "node.__secret",
    "from l7proxy.core.trace import _seconds",
    "from l7proxy._core import Proxy",
    "import l7proxy._core",
    "monkeypatch.setattr(node, '_clock', clock)",
    "monkeypatch.setattr('l7proxy.node.node._clock', clock)",
    "mock.patch('l7proxy.node._clock.now')",
    "mock.patch.object(node, '_clock')",
    "getattr(node, '_clock')",
    "monkeypatch.setitem(vars(node), '_clock', clock)",
])  # fmt: skip
def test_a_test_that_does_is_found_out(tmp_path: Path, line: str) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_inside.py").write_text(f"import pytest\n\n{line}\n")
    (found,) = reaches(tmp_path)
    assert found.startswith("tests/test_inside.py:3: ")
    assert "_" in found.removeprefix("tests/test_inside.py:3: ")


@pytest.mark.parametrize("line", [
    "self._queue = cls._made + super()._more",
    "node.__class__.__name__",
    "from __future__ import annotations",
    "message._replace(body=b'')",
    "_helper(_LIMIT)",
    "monkeypatch.setattr(node, 'clock', clock)",
    "print('_clock', [each for _, each in pairs])",
])  # fmt: skip
def test_what_is_public_or_ones_own_may_be_used(line: str) -> None:
    assert reaches_of(line) == []
