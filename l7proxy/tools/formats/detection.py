"""How the format of a log is told from its first lines.

Each line has a say: the format that it is of, and what is wrapped around it. What most lines say
is so. It is then tried on the same lines, to tell how many of them it fits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from l7proxy.tools.formats import envelopes, har
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import BadLine, LogReader, NoRequest
from l7proxy.tools.formats.registry import BY_NAME, FORMATS, JSON, TEXT
from l7proxy.tools.formats.wrappings import WRAPPINGS, Wrapping, unwrapped

SAMPLE = 50
"""How many lines are looked at."""
LONGEST = 16_384
"""Characters of a line that is looked at; longer ones have no say."""
_DEEPEST = 3
"""How many wrappings may be in one another."""
_NOTHING_SAID = Details()

Tell = Callable[[str], Format | None]
"""Returns the format that a line is of, or None."""
Wrappings = tuple[Wrapping, ...]


class UnknownFormat(ValueError):
    """The lines are of no format that is known; the text says so."""


@dataclass(slots=True)
class Recognised:
    """The format of a log, and how well it fits the first lines."""

    format: Format
    wrappings: Wrappings = ()
    """What is around the lines, from the outermost one on."""
    fits: int = 0
    """How many of the first lines it fits."""
    of: int = 0
    """How many lines were looked at."""
    has_hosts: bool = False
    """Whether any of these requests says which host it is for."""

    def __str__(self) -> str:
        inside = " in ".join([self.format.name, *(each.name for each in self.wrappings[::-1])])
        return f"{inside}, which fits {self.fits} of the first {self.of} lines"


def recognise(
    lines: Sequence[str], name: str | None = None, details: Details = _NOTHING_SAID
) -> Recognised:
    """Returns the format that most of the lines have, or that of the name, and how it fits them.

    Raises `UnknownFormat` where no line tells, and ValueError where `details` make no sense.
    """
    said = [line for line in lines if line.strip() and len(line) <= LONGEST]
    if name is None:
        if har.is_document("".join(line[:100] for line in lines[:5])):
            return Recognised(har.FORMAT, has_hosts=True)
        votes = _votes(said, _Telling())
        if not votes:
            return Recognised(_without_votes(lines))
    else:
        chosen = BY_NAME[name]
        if chosen is har.FORMAT or chosen.reader is None:
            return Recognised(chosen, has_hosts=chosen is har.FORMAT)
        votes = _votes(said, _telling_of(chosen, details))
        if not votes:
            votes[chosen, ()] = 0
    (best, wrappings), _ = votes.most_common(1)[0]
    return _tried(Recognised(best, wrappings), said, details)


def _votes(lines: Sequence[str], tell: Tell) -> Counter[tuple[Format, Wrappings]]:
    """Returns how many lines are of each format, wrapped in the same way."""
    said = (_said_by(line.rstrip("\r\n"), tell) for line in lines)
    return Counter(each for each in said if each is not None)


def _said_by(line: str, tell: Tell, depth: int = 0) -> tuple[Format, Wrappings] | None:
    found = tell(line)
    if found is not None:
        return found, ()
    if depth < _DEEPEST:
        for wrapping in WRAPPINGS:
            inner = wrapping.unwrap(line)
            said = None if inner is None else _said_by(inner.rstrip("\n"), tell, depth + 1)
            if said is not None:
                return said[0], (wrapping, *said[1])
    return None


class _Telling:
    """Tells which format a line is of. The readers stay: some learn from a line about others."""

    def __init__(self) -> None:
        self._readers = [
            (each, each.reader(_NOTHING_SAID)) for each in TEXT if each.reader is not None
        ]

    def __call__(self, line: str) -> Format | None:
        value = _object(line)
        if value is not None:
            found = [(each.fits(value), each) for each in JSON if each.fits is not None]
            most, best = max(found, key=lambda pair: pair[0])
            return best if most else None
        return next((each for each, reader in self._readers if _reads(reader, line)), None)


def _telling_of(chosen: Format, details: Details) -> Tell:
    assert chosen.reader is not None
    reader = chosen.reader(details)
    return lambda line: chosen if _reads(reader, line) else None


def _reads(reader: LogReader, line: str) -> bool:
    """Returns whether the line is of the reader's format."""
    try:
        reader(line)
    except NoRequest:
        return True
    except BadLine:
        return False
    return True


def _object(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _without_votes(lines: Sequence[str]) -> Format:
    """Returns the envelopes' format where there are no lines, or pieces of JSON.

    Raises `UnknownFormat` for anything else.
    """
    first = next((line.strip() for line in lines if line.strip()), "{")
    value = _object(first[:LONGEST])
    if value is not None:
        raise UnknownFormat(
            f"a JSON log whose fields are not known: {', '.join(map(str, value))}; say where they "
            "are: --format json --map time=FIELD --map path=FIELD ..."
        )
    if first.startswith("{"):
        return envelopes.FORMAT
    raise UnknownFormat(
        f"no known format: none of the first {len(lines)} lines is of one; say which with --format "
        f"({', '.join(FORMATS)}), or how lines are written with --log-format or --pattern"
    )


def _tried(found: Recognised, lines: Sequence[str], details: Details) -> Recognised:
    """Notes how many lines are of the format, and whether they tell of hosts."""
    reader = None if found.format.reader is None else found.format.reader(details)
    for _, line in unwrapped(lines, found.wrappings):
        found.of += 1
        if reader is None:
            assert found.format.fits is not None
            value = _object(line)
            found.fits += value is not None and found.format.fits(value) > 0
            continue
        try:
            _, request = reader(line)
        except NoRequest:
            found.fits += 1
        except BadLine:
            continue
        else:
            found.fits += 1
            if request.headers.get("host") is not None or "://" in request.target:
                found.has_hosts = True
    return found
