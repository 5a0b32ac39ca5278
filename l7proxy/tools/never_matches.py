"""Finds regular expressions for paths that no path can match.

A path that is matched is in normal form: it begins with a slash, has no query, and is printable
ASCII, in which everything else is percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from l7proxy.core.regex.automaton import PATH_CHARACTERS
from l7proxy.core.regex.text import parsed

if TYPE_CHECKING:
    Item = tuple[Any, Any]
    """What the parser makes of a piece of an expression: its code, and what belongs to that."""

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


def never_matches(regex: str, *, complete: bool) -> str | None:
    """Returns why an expression matches no path, or None where that can't be said.

    `complete` is whether it has to match all of the path, or a part.
    """
    flags = re.compile(regex).flags
    items = list(parsed(regex, 0))
    character = _missing(items)
    if character is not None:
        return _why_missing(character)
    if complete:
        first = _first(items)
        if first is not None and first != "/" and not flags & re.VERBOSE:
            return f"a path begins with / and not with {first}"
    return None


def _why_missing(character: str) -> str:
    if character in "?#":
        return f"a path has no {character}, nor what follows it; a query has conditions of its own"
    if character == "\\":
        return "a path has no backslash"
    encoded = "".join(f"%{octet:02X}" for octet in character.encode("utf-8", "surrogatepass"))
    return f'there is no "{character}" in a path, but {encoded}'


def _missing(items: Iterable[Item]) -> str | None:
    """Returns a character that each match has and no path, or None."""
    for item in items:
        found = _missing_in(*item)
        if found is not None:
            return found
    return None


def _missing_in(code: Any, of: Any) -> str | None:
    if code is codes.LITERAL:
        return None if chr(of) in PATH_CHARACTERS else chr(of)
    if code is codes.IN:
        return _missing_in_set(of)
    if code is codes.BRANCH:
        missing = [_missing(branch) for branch in of[1]]
        return missing[0] if None not in missing else None
    if code is codes.SUBPATTERN:
        return _missing(of[-1])
    if code is codes.ATOMIC_GROUP:
        return _missing(of)
    if code in _REPEATS:
        least, _, repeated = of
        return _missing(repeated) if least else None
    return None


def _missing_in_set(items: Iterable[Item]) -> str | None:
    """Returns a character of a set of which none is in a path; None for any other set."""
    found = None
    for code, of in items:
        if code is codes.LITERAL:
            characters: Iterable[int] = (of,)
        elif code is codes.RANGE:
            characters = range(of[0], of[1] + 1)
        else:
            # A class such as \w, or all but what is listed.
            return None
        for character in map(chr, characters):
            if character in PATH_CHARACTERS:
                return None
            found = found or character
    return found


def _first(items: Iterable[Item]) -> str | None:
    """Returns the one character that each match begins with, or None where there is none such."""
    for code, of in _unwrapped(items):
        if code is codes.AT:
            continue
        return chr(of) if code is codes.LITERAL else None
    return None


def _unwrapped(items: Iterable[Item]) -> Iterator[Item]:
    """Yields the items, those of groups in their place."""
    for code, of in items:
        if code is codes.SUBPATTERN:
            yield from _unwrapped(of[-1])
        else:
            yield code, of
