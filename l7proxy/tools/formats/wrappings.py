r"""What others put around the lines of a log: containers' runtimes, syslog, journald, `kubectl`.

A wrapping takes a line and returns what is in it, or None where the line is not wrapped so. What it
returns ends in a line feed, unless it is only a piece of a line that the next one goes on with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d++)?(?:Z|[+-]\d\d:?\d\d)"
_CRI = re.compile(rf"{_TIME} std(?:out|err) ([FP])\S*+ (.*)").fullmatch
_COMPOSE = re.compile(r"(?:\x1b\[[\d;]*+m)?[\w.-]++ *+\| ?(?:\x1b\[0m ?)?(.*)").fullmatch
_SYSLOG = re.compile(
    rf"(?:<\d{{1,3}}>)?(?:{_TIME}|\w{{3}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d++)?) "
    r"(?:\S++ )?[\w./-]++(?:\[\d++\])?: ?(.*)"
).fullmatch
_SYSLOG_5424 = re.compile(
    rf"<\d{{1,3}}>1 (?:{_TIME}|-) \S++ \S++ \S++ \S++ (?:-|\[[^\]]*+\]) ?(.*)"
).fullmatch
_POD = re.compile(r"\[pod/[^\]\s]++\] (.*)").fullmatch
_TIMESTAMP = re.compile(rf"{_TIME} (.*)").fullmatch


@dataclass(frozen=True, slots=True)
class Wrapping:
    """One way in which lines are wrapped."""

    name: str
    sign: str
    """What such a line looks like."""
    unwrap: Callable[[str], str | None]
    """Returns what is in a line without its line feed, or None."""


def _docker(line: str) -> str | None:
    value = _object(line)
    found = value.get("log")
    return found if isinstance(found, str) and "stream" in value else None


def _member(line: str, name: str) -> str | None:
    found = _object(line).get(name)
    if isinstance(found, list):
        # journald writes a text that is not all printable as its octets.
        try:
            found = bytes(found).decode("utf-8", "replace")
        except (TypeError, ValueError):
            return None
    return f"{found}\n" if isinstance(found, str) else None


def _object(line: str) -> dict[str, Any]:
    if line.startswith("{"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return {}
        if isinstance(value, dict):
            return value
    return {}


def _cri(line: str) -> str | None:
    found = _CRI(line)
    return None if found is None else found[2] + ("\n" if found[1] == "F" else "")


def _behind(match: Callable[[str], re.Match[str] | None], line: str) -> str | None:
    found = match(line)
    return None if found is None else f"{found[1]}\n"


WRAPPINGS = (
    Wrapping("docker", '`{"log": "...\\n", "stream": "stdout", ...}`', _docker),
    Wrapping("CRI", "`2023-11-14T22:13:20.25Z stdout F ...`", _cri),
    Wrapping("compose", "`web-1  | ...`", lambda line: _behind(_COMPOSE, line)),
    Wrapping("syslog", "`Nov 14 22:13:20 host nginx[7]: ...`", lambda line: _behind(_SYSLOG, line)),
    Wrapping(
        "syslog (RFC 5424)",
        "`<190>1 2023-11-14T22:13:20Z host nginx 7 - - ...`",
        lambda line: _behind(_SYSLOG_5424, line),
    ),
    Wrapping("journald", '`{"MESSAGE": "...", ...}`', lambda line: _member(line, "MESSAGE")),
    Wrapping("message", '`{"message": "...", ...}`', lambda line: _member(line, "message")),
    Wrapping("kubectl", "`[pod/web-1/nginx] ...`", lambda line: _behind(_POD, line)),
    Wrapping("timestamps", "`2023-11-14T22:13:20Z ...`", lambda line: _behind(_TIMESTAMP, line)),
)
"""In this order they are tried; one may be in another."""


def unwrapped(lines: Iterable[str], wrappings: Sequence[Wrapping]) -> Iterator[tuple[int, str]]:
    """Yields the lines inside, each with the number of the line that it ends in.

    A line that is not wrapped is what it is.
    """
    begun = ""
    for number, line in enumerate(lines, 1):
        text = line
        for wrapping in wrappings:
            inner = wrapping.unwrap(text.rstrip("\r\n"))
            if inner is not None:
                text = inner
        begun += text
        if begun.endswith("\n") or not wrappings:
            yield number, begun
            begun = ""
    if begun:
        yield number, begun
