"""A Python that is too old says so in one line, and not by a syntax error."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import l7proxy
from tests.processes import MAIN, PATIENCE, ROOT

READ_BY_ALL = (ROOT / "l7proxy" / "__init__.py", MAIN)
"""The files that are read before anything is said."""

OLD = (
    ast.Module, ast.Expr, ast.Constant, ast.Import, ast.alias, ast.ImportFrom, ast.If, ast.Compare,
    ast.Lt, ast.Eq, ast.Attribute, ast.Name, ast.Load, ast.Store, ast.Tuple, ast.Assign, ast.Call,
    ast.Subscript, ast.Slice, ast.BinOp, ast.Add,
)  # fmt: skip
"""Syntax that Python 2.7 has, too."""


@pytest.mark.parametrize("path", READ_BY_ALL, ids=lambda path: path.name)
def test_what_is_read_first_is_read_by_every_python_since_2_7(path: object) -> None:
    text = path.read_text("ascii")  # type: ignore[attr-defined]
    nodes = list(ast.walk(ast.parse(text)))
    assert [node for node in nodes if not isinstance(node, OLD)] == []
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    assert all(not call.keywords for call in calls)
    assert "from __future__" not in text


@pytest.mark.parametrize("how", [
    f"runpy.run_path({str(MAIN)!r}, run_name='__main__')",
    "runpy.run_module('l7proxy', run_name='__main__')",
])  # fmt: skip
@pytest.mark.parametrize("version", [(2, 7, 18, "final", 0), (3, 10, 13, "final", 0)])
def test_an_old_python_says_what_is_needed(how: str, version: tuple[object, ...]) -> None:
    code = f"import runpy, sys; sys.version_info = {version}; {how}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    shown = ".".join(map(str, version[:3]))
    said = f"l7proxy needs Python 3.11 or later; this is {shown}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_the_version_is_there_for_others() -> None:
    assert l7proxy.__version__.count(".") == 2
