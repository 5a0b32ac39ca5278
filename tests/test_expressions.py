"""No regular expression of the package can take long, whatever text it is matched with.

Every call of the module `re` is found in the source, and the expression in it is put to the same
analysis as those in a configuration. What is not known before the program runs is listed here.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import l7proxy
from l7proxy.core.config import RouteConfig
from l7proxy.core.config.json_schema import describe_record
from l7proxy.core.config.model import Config, SinglePoolConfig
from l7proxy.core.http.target import USUAL_RULES
from l7proxy.core.regex.automaton import ANY_CHARACTERS, OCTETS
from l7proxy.core.regex.danger import find_danger
from l7proxy.core.regex.uses import BEGINNING, FULL, SEARCH
from l7proxy.core.routing.paths import path_match

PACKAGE = Path(l7proxy.__file__).parent
FUNCTIONS = {
    "compile",
    "match",
    "fullmatch",
    "search",
    "sub",
    "subn",
    "split",
    "findall",
    "finditer",
}
CALLERS = {"_compiled"}
"""Functions that hand an expression on to `re`."""
USES = {"match": BEGINNING, "fullmatch": FULL}
"""How what is compiled is used, by the name of the method; all others search."""

LONGEST = 8192
"""Characters of a text that takes 10 ms at most."""

CONFIGURED = "it is configured, and held to the analysis when it is loaded"
OPERATORS = "it is the operator's, for the operator's own logs"
ONE_CHARACTER = "it reads one character, or a run of one set"
CHECKED = "it is matched with nothing but a block that is valid, in which each line has its end"
UNKNOWN = {
    ("core/config/expressions.py", "_checked_regex"): CONFIGURED,
    ("core/config/expressions.py", "compiled"): CONFIGURED,
    ("core/config/spec.py", "load"): "see the test of patterns in the schema",
    ("core/regex/automaton.py", "_spans"): ONE_CHARACTER,
    ("core/routing/actions.py", "__init__"): CONFIGURED,
    ("core/routing/conditions.py", "__init__"): CONFIGURED,
    ("core/routing/paths.py", "path_match"): "configured, or see the test of patterns with stars",
    ("envelope/framing.py", "_compiled"): "its callers are found",
    ("http1/block.py", "_find"): CHECKED,
    ("http1/fields.py", "_finder"): CHECKED,
    ("http1/grammar.py", "is_one"): ONE_CHARACTER,
    ("tools/formats/log_format.py", "compiled"): OPERATORS,
    ("tools/formats/pattern.py", "pattern"): OPERATORS,
    ("tools/never_matches.py", "flags"): "it is not matched with anything",
}
"""What is not known before the program runs, by its file and name, and why it is safe."""
ATOMIC = "the repeat is in an atomic group that can end behind each field: none is read twice"
SAFE = {
    ("core/config/strict_json.py", "nesting"): "a string without an end reaches to the text's end",
    ("http1/fields.py", "_find_fields"): CHECKED,
    ("http1/fields.py", "_find_text_fields"): CHECKED,
    ("http1/request.py", "_match_head"): ATOMIC,
    ("http1/response.py", "_match_head"): ATOMIC,
    ("tools/formats/haproxy.py", "_LINE"): "what is before the client is in an atomic group",
    ("tools/formats/line.py", "_WORD"): "behind a quote without an end no other begins a word",
}
"""What the analysis can't see to be safe, by its file and name, and why it is."""


class Call(NamedTuple):
    """A call of `re`: where, for what, and the source of its arguments.

    `name` is that of the function that it is in, or of what its value is given to.
    """

    file: str
    name: str
    use: str
    source: str
    flags: str


def calls(package: Path) -> Iterator[Call]:
    """Yields every call in the package that takes a regular expression."""
    for file in sorted(package.rglob("*.py")):
        here = file.relative_to(package).as_posix()
        tree = ast.parse(file.read_text())
        above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            name = called(node)
            if name is None:
                continue
            assert isinstance(node, ast.Call)
            outer = above[node]
            method = outer.attr if isinstance(outer, ast.Attribute) else name
            if isinstance(outer, ast.Assign) and name == "compile":
                method = method_of(outer.targets[0], tree)
            named = {word.arg: word.value for word in node.keywords}
            flags = named.get("flags")
            if flags is None and name == "compile" and len(node.args) > 1:
                flags = node.args[1]
            first = node.args[0]
            for source in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                yield Call(
                    here,
                    name_of(node, above),
                    USES.get(method, SEARCH),
                    ast.unparse(source),
                    "0" if flags is None else ast.unparse(flags),
                )


def method_of(name: ast.expr, tree: ast.Module) -> str:
    """Returns the method by which a file uses what it has compiled; "" for several."""
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == ast.unparse(name)
    }
    return used.pop() if len(used) == 1 else ""


def name_of(node: ast.AST, above: Mapping[ast.AST, ast.AST]) -> str:
    """Returns the name of what a call is part of."""
    while not isinstance(node, ast.Module):
        if isinstance(node, ast.FunctionDef):
            return node.name
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            return node.targets[0].id
        node = above[node]
    return ""


def called(node: ast.AST) -> str | None:
    """Returns the name of the function that takes an expression; None for all else."""
    if not isinstance(node, ast.Call):
        return None
    function = node.func
    if isinstance(function, ast.Name):
        return function.id if function.id in CALLERS else None
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id == "re" and function.attr in FUNCTIONS else None
    return None


CALLS = list(calls(PACKAGE))
KNOWN = [call for call in CALLS if (call.file, call.name) not in UNKNOWN]


def why_slow(call: Call) -> str | None:
    """Returns what the analysis finds in the expression of a call."""
    module = import_module(f"l7proxy.{call.file.removesuffix('.py').replace('/', '.')}")
    expression = eval(call.source, vars(module))
    flags = int(eval(call.flags, vars(module)))
    if isinstance(expression, bytes):
        found = find_danger(
            expression.decode("latin-1"), call.use, flags | re.ASCII, OCTETS, LONGEST
        )
    else:
        found = find_danger(expression, call.use, flags, ANY_CHARACTERS, LONGEST)
    return None if found is None else found.text


@pytest.mark.parametrize("call", KNOWN, ids=lambda call: f"{call.file} {call.name}")
def test_an_expression_of_the_package_takes_linear_time(call: Call) -> None:
    is_safe = (call.file, call.name) in SAFE
    assert (why_slow(call) is not None) == is_safe, why_slow(call)


def test_every_exception_is_still_there() -> None:
    there = {(call.file, call.name) for call in CALLS}
    assert {*UNKNOWN, *SAFE} <= there


def test_re_is_imported_in_one_way_only() -> None:
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert all(name.asname is None for name in node.names if name.name == "re"), file
            if isinstance(node, ast.ImportFrom) and node.module == "re":
                assert {name.name for name in node.names} <= {"_constants", "_parser"}, file


def test_a_slow_expression_in_the_package_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("import re\n_slow = re.compile('(a+)*b', re.DOTALL).match\n")
    (call,) = calls(tmp_path)
    assert call == Call("new.py", "_slow", BEGINNING, "'(a+)*b'", "re.DOTALL")


def test_the_patterns_of_the_schema_take_linear_time() -> None:
    definitions: dict[str, object] = {}
    described = [describe_record(record, definitions) for record in (Config, SinglePoolConfig)]
    text = json.dumps([described, definitions])
    patterns = set(re.findall(r'"pattern": ("(?:[^"\\]++|\\.)*+")', text))
    assert len(patterns) > 8
    for pattern in sorted(map(json.loads, patterns)):
        found = find_danger(pattern, SEARCH, 0, ANY_CHARACTERS)
        assert found is None, (pattern, found.text)


@pytest.mark.parametrize(
    "pattern",
    ["/a*", "/*/x", "/*a*", "/x*a*b/*", "/*a*a*a*a*a*a*a*a*b", "/a*b*c/d*e*f/g*h*i", "/**a"],
)
def test_a_pattern_with_several_stars_takes_linear_time(pattern: str) -> None:
    match = path_match(RouteConfig(path_pattern=pattern, backend_pool="p"), USUAL_RULES)
    assert match.test is not None
    found = find_danger(match.test.pattern, FULL)
    assert found is None, found.text
