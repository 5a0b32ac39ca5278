"""Texts of others on a terminal: escaped so that they can't move its cursor or make more lines."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def printable(text: str) -> str:
    r"""Returns the text with an escape, such as `\x1b`, for each character that is not seen."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def printable_lines(text: str) -> str:
    """Returns the text with each of its lines made printable."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def printable_value(value: Any) -> Any:
    """Returns a JSON value with every text in it made printable, keys included."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): printable_value(item) for key, item in value.items()}
    return [printable_value(item) for item in value] if isinstance(value, list) else value
