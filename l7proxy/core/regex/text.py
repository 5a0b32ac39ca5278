"""Regular expressions as Python's parser returns them, written down again.

What the parser returns has no places in it. A part of it that a person is told of is written down
again, nearly as it was; a set of characters is written down to be compiled by itself.
"""

from __future__ import annotations

import re
from re import _constants, _parser  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Item = tuple[Any, Any]
    """An operator, named as in Python's `re._constants`, and what belongs to it."""

ENDLESS: int = _constants.MAXREPEAT
"""The upper bound of a repeat that has none."""

CHARACTERS = frozenset(("LITERAL", "NOT_LITERAL", "ANY", "IN"))
"""The operators that read one character."""
REPEATS = {"MAX_REPEAT": "", "MIN_REPEAT": "?", "POSSESSIVE_REPEAT": "+"}
"""The operators that repeat, and what is written behind the number for each."""
_POINTS = {
    "AT_BEGINNING": "^",
    "AT_BEGINNING_STRING": r"\A",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
    "AT_END": "$",
    "AT_END_STRING": r"\Z",
}
_CATEGORIES = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}
_LOOKS = {
    ("ASSERT", 1): "=",
    ("ASSERT", -1): "<=",
    ("ASSERT_NOT", 1): "!",
    ("ASSERT_NOT", -1): "<!",
}
_FLAGS = {re.ASCII: "a", re.IGNORECASE: "i", re.DOTALL: "s"}
_OTHER_FLAGS = {re.MULTILINE: "m", re.UNICODE: "u", re.VERBOSE: "x"}
_SPECIAL = frozenset(r".^$*+?{}[]\|()")


def parsed(text: str, flags: int) -> Any:
    """Returns the items of an expression; raises what `re.compile` does."""
    return _parser.parse(text, flags)


def written(items: Iterable[Item]) -> str:
    """Returns the text of the items one after the other."""
    return "".join(_written(str(operator), value) for operator, value in items)


def written_set(item: Item, flags: int) -> str:
    """Returns an expression of its own for what reads one character under the flags."""
    letters = "".join(letter for flag, letter in _FLAGS.items() if flags & flag)
    return f"(?{letters}:{written([item])})"


def _written(operator: str, value: Any) -> str:
    if operator in CHARACTERS:
        return _character(operator, value)
    if operator in REPEATS:
        low, high, body = value
        return _repeated(body) + _times(low, high) + REPEATS[operator]
    if operator == "AT":
        return _POINTS[str(value)]
    if operator == "BRANCH":
        return f"(?:{'|'.join(map(written, value[1]))})"
    if operator == "ATOMIC_GROUP":
        return f"(?>{written(value)})"
    if operator == "SUBPATTERN":
        group, add, remove, body = value
        return f"({'' if group is not None else _flags(add, remove)}{_inside(body)})"
    if operator in ("ASSERT", "ASSERT_NOT"):
        return f"(?{_LOOKS[operator, value[0]]}{_inside(value[1])})"
    if operator == "GROUPREF":
        return f"\\{value}"
    return "(?(…)…)"


def _flags(add: int, remove: int) -> str:
    known = {**_FLAGS, **_OTHER_FLAGS}
    on = "".join(letter for flag, letter in known.items() if add & flag)
    off = "".join(letter for flag, letter in known.items() if remove & flag)
    return f"?{on}{'-' if off else ''}{off}:"


def _inside(body: Any) -> str:
    """Returns the text of what stands in brackets, which alternatives need no more of."""
    if len(body) == 1 and str(body[0][0]) == "BRANCH":
        return "|".join(map(written, body[0][1][1]))
    return written(body)


def _repeated(body: Any) -> str:
    """Returns the text of a repeat's body, in brackets where it needs them."""
    alone = len(body) == 1 and str(body[0][0]) in (*CHARACTERS, "SUBPATTERN", "ATOMIC_GROUP")
    text = written(body)
    return text if alone or (text.startswith("(?:") and len(body) == 1) else f"(?:{text})"


def _times(low: int, high: int) -> str:
    if (low, high) == (0, 1):
        return "?"
    if high == ENDLESS:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    return f"{{{low}}}" if low == high else f"{{{low},{high}}}"


def _character(operator: str, value: Any) -> str:
    if operator == "ANY":
        return "."
    if operator == "LITERAL":
        return _escaped(value)
    if operator == "NOT_LITERAL":
        return f"[^{_escaped(value)}]"
    if len(value) == 1 and str(value[0][0]) == "CATEGORY":
        return _member("CATEGORY", value[0][1])
    members = [_member(str(kind), what) for kind, what in value]
    if members[-1] == r"\-":
        members[-1] = "-"
    return f"[{''.join(members)}]"


def _member(kind: str, what: Any) -> str:
    """Returns the text of a member of a set."""
    if kind == "NEGATE":
        return "^"
    if kind == "RANGE":
        return "-".join(r"\-" if code == ord("-") else _escaped(code) for code in what)
    if kind == "CATEGORY":
        name = str(what).removeprefix("CATEGORY_")
        letter = _CATEGORIES[name.removeprefix("NOT_")]
        return "\\" + (letter.upper() if name.startswith("NOT_") else letter)
    return "\\" + chr(what) if chr(what) in "-&~" else _escaped(what)


def _escaped(code: int) -> str:
    character = chr(code)
    if character in _SPECIAL:
        return "\\" + character
    if character.isprintable() and character.isascii():
        return character
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
