"""JSON as RFC 8259 has it, and nothing more: the reference decoder of everything we read."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn


DEEPEST = 200
"""The deepest nesting of objects and arrays. Python's own limit moves with the call stack."""

STRING_OR_BRACKET = r'(?s)"(?:[^"\\]++|\\.)*+"?+|[{}\[\]]'
"""A regular expression for the parts of a text by which `nesting` goes.

A string that is not closed reaches to the end of the text: no input is looked at twice.
"""

_BOM = "\ufeff"
_KEY_ENDS = ('":', " :", "\t:", "\n:", "\r:")


class NotJson(ValueError):
    """The text is not JSON, or not JSON that can be used; the text says why and where."""


class JsonObject(dict):  # type: ignore[type-arg]
    """A JSON object that knows which of its keys were written more than once."""

    __slots__ = ("repeated",)
    repeated: tuple[str, ...]


def decode_carelessly(text: bytes) -> Any:
    """The value in `text`, with the last value of a key that is written twice.

    Raises ValueError for what is not JSON, RecursionError where it is nested too deep for Python.
    """
    return _decode(text.decode())


def decode_json(text: str | bytes) -> tuple[Any, list[str]]:
    """Returns the value in `text`, and the keys that some object in it repeats.

    The last value of a repeated key counts. Where there are such keys, or may be, objects are
    `JsonObject`; else they are plain. Raises `NotJson` for what is not JSON or not UTF-8, for NaN
    and Infinity, for integers of more digits than Python converts, and for nesting too deep.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()
            if text.startswith(_BOM):
                text = text[1:]
        if text.count("[") + text.count("{") > DEEPEST and nesting(text) > DEEPEST:
            raise NotJson(f"nested more than {DEEPEST} deep")
        value = _decode(text)
        if _may_repeat(value, text):
            return _decode_with_care(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise NotJson(f"not JSON: {error.msg} ({where})") from None
    except UnicodeDecodeError as error:
        raise NotJson(
            f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        ) from None
    except NotJson:
        raise
    except ValueError as error:
        raise NotJson(f"not usable JSON: {why_not(error)}") from None
    return value, []


def why_not(error: Exception) -> str:
    """Returns what Python says is wrong with the text, without its advice to programmers."""
    return str(error).partition("; use sys.")[0]


def _may_repeat(value: Any, text: str) -> bool:
    """Returns whether `text` may have more keys than its value: if not, none is repeated.

    Every key has a colon behind it. Calling Python for each object while it is decoded, which
    would tell for sure, takes longer than decoding it.
    """
    kept = count_keys(value)
    # The colons, first of all and then without those that can't be behind a key.
    return text.count(":") != kept != sum(map(text.count, _KEY_ENDS))


def count_keys(value: Any) -> int:
    """Returns how many keys the objects in a value have, all together."""
    kept = 0
    values = [value]
    for item in values:
        if type(item) is dict:
            kept += len(item)
            values += item.values()
        elif type(item) is list:
            values += item
    return kept


def _decode_with_care(text: str) -> tuple[Any, list[str]]:
    """Decodes a text whose keys may repeat: Python is called for each object."""
    repeated: list[str] = []

    def build(pairs: list[tuple[str, Any]]) -> JsonObject:
        made = JsonObject(pairs)
        made.repeated = ()
        if len(made) != len(pairs):
            made.repeated = repeated_keys(pairs)
            repeated.extend(made.repeated)
        return made

    value = json.loads(text, object_pairs_hook=build, parse_constant=_refuse_constant)
    return value, repeated


def repeated_keys(pairs: Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    """Returns the keys that are there more than once, in the order in which they come first."""
    times: dict[str, int] = {}
    for key, _ in pairs:
        times[key] = times.get(key, 0) + 1
    return tuple(key for key, count in times.items() if count > 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_scan: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]


def _decode(text: str) -> Any:
    """Decodes as `_DECODER.decode` does, without its search for blanks where there are none."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return _DECODER.decode(text)
    if end == len(text) or not text[end:].strip(" \t\n\r"):
        return value
    return _DECODER.decode(text)


def nesting(text: str) -> int:
    """Returns how deep the brackets outside strings are nested, where they are most."""
    depth = deepest = 0
    for match in re.finditer(STRING_OR_BRACKET, text):
        bracket = match[0]
        if bracket in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "}]":
            depth -= 1
    return deepest
