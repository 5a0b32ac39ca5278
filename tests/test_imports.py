"""Who may import whom, as the map in `l7proxy` draws it.

And the core is pure: it reads no clock, opens nothing, and rolls no dice that it was not handed.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import l7proxy

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "l7proxy"

HEIGHT = {"core": 0, "http1": 1, "envelope": 1, "files": 1, "upstreams": 2, "node": 3, "server": 3,
          "tools": 3, "commands": 4, "testing": 4}  # fmt: skip
TOP = HEIGHT["commands"]

IMPURE = {
    "asyncio", "concurrent", "datetime", "http", "importlib", "io", "multiprocessing", "os",
    "pathlib", "secrets", "select", "selectors", "signal", "socket", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib",
}  # fmt: skip
IMPURE_CALLS = {"__import__", "eval", "exec", "input", "open", "print"}
"""Built-in functions that reach out of the core without an import."""
ALLOWED = {
    ("core/config/algorithms.py", "importlib"),
    ("core/selectors/registry.py", "importlib"),
}
"""A configuration may name a selector outside the package, whose module has to be imported."""
OPTIONAL = {"msgspec", "uvloop"}
"""What may be there to be faster, and is imported only where it may be missing."""


def violations(package: Path) -> list[str]:
    """Every import and call in the package that breaks the rules, those in functions included."""
    found = []
    for file in sorted(package.rglob("*.py")):
        here = file.relative_to(package).as_posix()
        room = here.partition("/")[0].removesuffix(".py")
        problems = [
            (line, wrong(room, name))
            for line, name in imports(file, package)
            if (here, name.partition(".")[0]) not in ALLOWED
        ]
        if room == "core":
            problems += [(line, f"core calls {name}()") for line, name in impure_calls(file)]
        found += [f"{here}:{line}: {problem}" for line, problem in problems if problem]
    return found


def wrong(room: str, name: str) -> str | None:
    """Why this room must not import that; None where it may."""
    parts = name.split(".")
    if parts[0] == "l7proxy":
        other = parts[1] if len(parts) > 1 and not parts[1].startswith("__") else ""
        if other and room != other and HEIGHT.get(room, TOP) <= HEIGHT.get(other, TOP + 1):
            return None if room.startswith("__") else f"{room} imports {other}"
        return None
    if room == "core" and (parts[0] in IMPURE or parts[0] in OPTIONAL):
        return f"core imports {parts[0]}"
    if room == "core" and parts[0] == "random" and parts[1:] != ["Random"]:
        return "core imports the module random: take a Random as an argument"
    if room == "testing" and parts[0] == "pytest":
        return None
    if parts[0] not in sys.stdlib_module_names and parts[0] not in OPTIONAL:
        return f"{parts[0]} is not in the standard library"
    return None


def imports(file: Path, package: Path) -> Iterator[tuple[int, str]]:
    """The absolute names that the file imports, with their lines; `from a import b` is `a.b`."""
    here = ("l7proxy", *file.relative_to(package).with_suffix("").parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) + "." if node.level else ""
            for alias in node.names:
                yield node.lineno, f"{base}{node.module or ''}.{alias.name}".replace("..", ".")
        elif isinstance(node, ast.Call) and is_import_call(node):
            yield node.lineno, ast.literal_eval(node.args[0])


def impure_calls(file: Path) -> Iterator[tuple[int, str]]:
    """The calls of `IMPURE_CALLS` by name, with their lines."""
    for node in ast.walk(ast.parse(file.read_text())):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id in IMPURE_CALLS:
            yield called.lineno, called.id


def is_import_call(call: ast.Call) -> bool:
    """Whether this is `import_module("...")` or `__import__("...")`, with the name written out."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    return name in ("import_module", "__import__") and isinstance(call.args[0], ast.Constant)


def test_every_room_is_on_the_map() -> None:
    rooms = {
        entry.stem
        for entry in PACKAGE.iterdir()
        if (entry.suffix == ".py" or (entry / "__init__.py").exists()) and entry.stem[0] != "_"
    }
    assert set(re.findall("^- `(.*?)`", l7proxy.__doc__ or "", re.MULTILINE)) == rooms
    assert set(HEIGHT) == rooms


def test_every_import_goes_downhill_and_the_core_is_pure() -> None:
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(("file", "line", "complaint"), [
    ("core/pool/pool.py", "import time", "core imports time"),
    ("core/pool/pool.py", "from random import random", "core imports the module random"),
    ("core/pool/pool.py", "import random", "core imports the module random"),
    ("core/pool/pool.py", "def f():\n    import os.path", "core imports os"),
    ("core/pool/pool.py", "from l7proxy.node import Node", "core imports node"),
    ("core/selectors/base.py", "from ...node import node", "core imports node"),
    ("core/pool/pool.py", "from l7proxy import upstreams", "core imports upstreams"),
    ("core/pool/pool.py", "from importlib import import_module", "core imports importlib"),
    ("core/selectors/registry.py", "import socket", "core imports socket"),
    ("core/pool/pool.py", "def f():\n    return open('/etc/hosts')", "core calls open()"),
    ("http1/body.py", "__import__('l7proxy.upstreams')", "http1 imports upstreams"),
    ("http1/body.py", "from l7proxy.upstreams import base", "http1 imports upstreams"),
    ("upstreams/base.py", "from l7proxy.node.node import Malformed", "upstreams imports node"),
    ("node/node.py", "import l7proxy.tools.check", "node imports tools"),
    ("tools/check.py", "def f():\n    from l7proxy.commands import main", "tools imports commands"),
    ("testing/pytest_plugin.py", "import l7proxy.commands", "testing imports commands"),
    ("commands/test.py", "import l7proxy.testing", "commands imports testing"),
    ("node/node.py", "import requests", "requests is not in the standard library"),
])  # fmt: skip
def test_a_copy_in_which_the_rule_is_broken_is_found_out(
    tmp_path: Path, file: str, line: str, complaint: str
) -> None:
    copy = tmp_path / "l7proxy"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / file).write_text((copy / file).read_text() + f"\n{line}\n")
    (found,) = violations(copy)
    assert found.startswith(f"{file}:")
    assert complaint in found
