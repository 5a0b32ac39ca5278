"""Who may import whom, as the map in `l7proxy` draws it.

And the core is pure: it reads no clock, opens nothing, and rolls no dice that it was not handed.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import l7proxy

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "l7proxy"

HEIGHT = {"core": 0, "http1": 1, "envelope": 1, "files": 1, "upstreams": 2, "node": 3, "server": 3,
          "tools": 3, "commands": 4, "testing": 4}  # fmt: skip
TOP = HEIGHT["commands"]

CORE_HEIGHT = {
    "callbacks": 0, "flags": 0, "mypyc": 0, "random_streams": 0, "timers": 0, "exchange_state": 0,
    "http": 1, "regex": 1, "config": 2, "affinity": 3, "policies": 3, "selectors": 3, "trust": 3,
    "pool": 4, "routing": 4, "forwarded": 5, "exchange": 6, "proxy": 7, "trace": 7,
}  # fmt: skip
"""The rooms and files of the core: each may import, types aside, what is below it."""

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
    ("core/mypyc.py", "mypy_extensions"),
}
"""A configuration may name a selector outside the package, whose module has to be imported; and the
compiler knows its decorator by its package, which is imported for types alone."""
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


def core_violations(package: Path) -> list[str]:
    """Every import inside the core, those of types aside, that does not go downhill."""
    found = []
    for file in sorted((package / "core").rglob("*.py")):
        here = file.relative_to(package / "core").as_posix()
        room = here.partition("/")[0].removesuffix(".py")
        for line, name in run_time_imports(file, package):
            parts = name.split(".")
            if parts[:2] != ["l7proxy", "core"] or len(parts) < 3 or room in ("__init__", parts[2]):
                continue
            if CORE_HEIGHT[room] <= CORE_HEIGHT.get(parts[2], len(CORE_HEIGHT)):
                found.append(f"core/{here}:{line}: {room} imports {parts[2]}")
    return found


def circles(package: Path) -> list[set[str]]:
    """The files that import each other, types aside, directly or through others."""
    files = {module_of(file, package): file for file in package.rglob("*.py")}
    arrows: dict[str, set[str]] = {}
    for module, file in files.items():
        names = [name for _, name in run_time_imports(file, package)]
        leads = {name if name in files else name.rpartition(".")[0] for name in names}
        arrows[module] = leads & files.keys() - {module}
    reach = {module: reachable(module, arrows) for module in files}
    found: list[set[str]] = []
    for module in files:
        circle = {other for other in reach[module] if module in reach[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def reachable(start: str, arrows: dict[str, set[str]]) -> set[str]:
    """Everything that an import of `start` leads to; `start` itself only if it is in a circle."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = arrows[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def module_of(file: Path, package: Path) -> str:
    """`l7proxy.core.pool` for its `__init__.py`."""
    parts = ("l7proxy", *file.relative_to(package).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


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
    yield from imports_in(ast.walk(ast.parse(file.read_text())), file, package)


def run_time_imports(file: Path, package: Path) -> Iterator[tuple[int, str]]:
    """The same without those that only a type checker sees."""
    yield from imports_in(walk_run_time(ast.parse(file.read_text())), file, package)


def walk_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are ever run."""
    is_for_types = (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )
    if is_for_types:
        assert isinstance(node, ast.If)
        inner: list[ast.AST] = list(node.orelse)
    else:
        yield node
        inner = list(ast.iter_child_nodes(node))
    for child in inner:
        yield from walk_run_time(child)


def imports_in(nodes: Iterable[ast.AST], file: Path, package: Path) -> Iterator[tuple[int, str]]:
    """The imports among these nodes of the file."""
    here = ("l7proxy", *file.relative_to(package).with_suffix("").parts)
    for node in nodes:
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


def test_in_the_core_every_import_goes_downhill() -> None:
    entries = [entry for entry in (PACKAGE / "core").iterdir() if entry.suffix in ("", ".py")]
    rooms = {entry.stem for entry in entries if entry.stem[0] != "_"}
    assert set(CORE_HEIGHT) == rooms
    assert core_violations(PACKAGE) == []


def test_no_files_import_each_other_but_for_types() -> None:
    assert circles(PACKAGE) == []


def test_every_file_can_be_read_in_one_sitting() -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in PACKAGE.rglob("*.py")}
    assert {file.name: length for file, length in lengths.items() if length > 450} == {}


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
    (found,) = violations(copy_with(tmp_path, file, line))
    assert found.startswith(f"{file}:")
    assert complaint in found


@pytest.mark.parametrize(("file", "line", "complaint"), [
    ("core/http/target.py", "from l7proxy.core.config import Config", "http imports config"),
    ("core/config/load.py", "def f():\n    import l7proxy.core.pool.pool", "config imports pool"),
    ("core/selectors/base.py", "from l7proxy.core.policies import retry",
     "selectors imports policies"),
    ("core/pool/queue.py", "from l7proxy.core import exchange", "pool imports exchange"),
    ("core/timers.py", "from l7proxy.core.http.target import Target", "timers imports http"),
    ("core/exchange.py", "from l7proxy.core.proxy import Proxy", "exchange imports proxy"),
])  # fmt: skip
def test_a_copy_in_which_an_import_in_the_core_goes_uphill_is_found_out(
    tmp_path: Path, file: str, line: str, complaint: str
) -> None:
    (found,) = core_violations(copy_with(tmp_path, file, line))
    assert found.startswith(f"{file}:")
    assert found.endswith(complaint)


def test_a_copy_with_a_circle_is_found_out_and_one_for_types_is_none(tmp_path: Path) -> None:
    line = "from l7proxy.core.pool.pool import Pool"
    found = circles(copy_with(tmp_path / "a", "core/pool/queue.py", line))
    assert found == [{"l7proxy.core.pool.pool", "l7proxy.core.pool.queue"}]
    types = f"if TYPE_CHECKING:\n    {line}"
    assert circles(copy_with(tmp_path / "b", "core/pool/queue.py", types)) == []


def copy_with(folder: Path, file: str, line: str) -> Path:
    """A copy of the package whose `file` has one more line."""
    copy = folder / "l7proxy"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / file).write_text((copy / file).read_text() + f"\n{line}\n")
    return copy
