"""What a format is to the rest: its name, its reader, and what it is recognised by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from l7proxy.tools.formats.line import LogReader


@dataclass(frozen=True, slots=True)
class Details:
    """What is said about a log beside its format."""

    mapping: Sequence[str] = ()
    """Where the fields of a JSON log are, as in `path=my.field`."""
    captures: Sequence[str] = ()
    """Which request headers HAProxy captured."""
    pattern: str | None = None
    """A regular expression for a line; its named groups are the fields."""
    log_format: str | None = None
    """The `log_format` by which nginx wrote the log."""
    as_logged: bool = False
    """Whether simulated backends take as long, and answer with the status, that the log says."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format of recorded traffic."""

    name: str
    what: str
    """What writes it."""
    sign: str
    """What it is recognised by."""
    reader: Callable[[Details], LogReader] | None = None
    """Makes a reader; None where the lines are envelopes."""
    fits: Callable[[Mapping[str, Any]], int] | None = None
    """Of a format whose lines are JSON objects: how much of what it has is in an object.

    The format that finds the most in a line is the line's; 0 is none of it.
    """
    takes: Sequence[str] = ()
    """Which of the `Details` it has a use for, beside `as_logged`."""
