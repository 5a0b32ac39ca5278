"""JSON as RFC 8259 has it, and nothing more: the reference decoder of everything we read."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


DEEPEST = 200
"""How deep objects and arrays may be nested. Python's own limit moves with the call stack."""

_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


class NotJson(ValueError):
    """The text is not JSON, or not JSON that can be used; the text says why and where."""


class JsonObject(dict):  # type: ignore[type-arg]
    """A JSON object that knows which of its keys were written more than once."""

    __slots__ = ("repeated",)
    repeated: tuple[str, ...]


def decode_json(text: str | bytes) -> tuple[Any, list[str]]:
    """The value in `text`, and the keys that some object in it repeats (their last value counts).

    Objects are `JsonObject`. Raises `NotJson` for what is not JSON or not UTF-8, for NaN and
    Infinity, for integers of more digits than Python converts, and for nesting too deep.
    """
    repeated: list[str] = []

    def build(pairs: list[tuple[str, Any]]) -> JsonObject:
        made = JsonObject(pairs)
        made.repeated = ()
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            made.repeated = tuple(key for key in made if keys.count(key) > 1)
            repeated.extend(made.repeated)
        return made

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
            raise NotJson(f"nested more than {DEEPEST} deep")
        value = json.loads(text, object_pairs_hook=build, parse_constant=_refuse_constant)
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
        raise NotJson(f"not usable JSON: {error}") from None
    return value, repeated


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings."""
    depth = deepest = 0
    for match in _BRACKET.finditer(text):
        bracket = match[0]
        if bracket in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "}]":
            depth -= 1
    return deepest
