"""Traffic from the lines of a file: what is broken is counted, the rest is in order of time."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats import access, envelopes, har
from l7proxy.tools.formats.line import BadLine, Envelope
from l7proxy.tools.formats.registry import LOGS, Details, check_details, recognise

T = TypeVar("T")

SHOWN = 5
"""How many broken lines are kept to be shown."""
WINDOW = 1000
"""How many lines of a log may be out of order among themselves. Logs are written when requests
end, so that a line may stand behind others whose requests started later."""


class Unreadable(ValueError):
    """A line can't be read, and nothing less than all was asked for."""


class Traffic:
    """Iterates over what the lines say: `requests` of a log, or else `envelopes`.

    - `format` is the name of the format, told from the first lines where none was given
    - `bad` counts the lines that were skipped, `shown` has the first of them: number, why, text
    """

    def __init__(
        self,
        lines: Iterable[str],
        format_name: str | None = None,
        *,
        mapping: Sequence[str] = (),
        captures: Sequence[str] = (),
        as_logged: bool = False,
        strict: bool = False,
    ) -> None:
        """Raises `UnknownFormat` where the format can't be told, ValueError for a bad mapping."""
        lines = iter(lines)
        if format_name is None:
            first = list(islice(lines, 20))
            format_name = recognise(first)
            lines = chain(first, lines)
        self.format = format_name
        self.is_log = format_name in LOGS
        self.bad = 0
        self.shown: list[tuple[int, str, str]] = []
        self._strict = strict
        self._lines = lines
        self._details = Details(mapping, captures, as_logged)
        check_details(format_name, self._details)
        if self.is_log:
            self._read = LOGS[format_name](self._details)

    def requests(self) -> Iterator[tuple[int, float, HttpRequest]]:
        """Yields the requests of a log: the line of each, when it was made, and the request.

        The time is in seconds since the first one. Raises `Unreadable` where a line is broken and
        `strict` was asked for.
        """
        return _from_start(self._in_order(self._read))

    def envelopes(self) -> Iterator[tuple[int, Envelope]]:
        """Yields each envelope with its line; in an access log, `at` counts from the first one.

        Raises `Unreadable` where a line is broken and `strict` was asked for.
        """
        if self.format == "access":
            read = access.reader(as_logged=self._details.as_logged)
            for number, at, envelope in _from_start(self._in_order(read)):
                envelope["at"] = at
                yield number, envelope
            return
        for number, line in enumerate(self._lines, 1):
            try:
                yield number, envelopes.read(line)
            except BadLine as error:
                self._skip(number, line, error)

    def _in_order(self, read: Callable[[str], tuple[float, T]]) -> Iterator[tuple[float, int, T]]:
        """Yields the time, line and content that `read` finds in each line, in order of time."""
        # Most lines are later than those before them, and so belong at the end.
        held: deque[tuple[float, int, T]] = deque()
        latest = 0.0
        for number, line in enumerate(self._texts(), 1):
            try:
                moment, content = read(line)
            except BadLine as error:
                self._skip(number, line, error)
                continue
            if moment >= latest:
                held.append((moment, number, content))
                latest = moment
            else:
                insort(held, (moment, number, content))
            if len(held) > WINDOW:
                yield held.popleft()
        yield from held

    def _texts(self) -> Iterable[str]:
        if self.format != "har":
            return self._lines
        try:
            return list(har.entries(self._lines))
        except BadLine as error:
            raise Unreadable(str(error)) from None

    def _skip(self, number: int, line: str, error: BadLine) -> None:
        text = line.strip()
        if not text:
            return
        if self._strict:
            raise Unreadable(f"line {number}: {error}: {text[:120]}")
        self.bad += 1
        if len(self.shown) < SHOWN:
            self.shown.append((number, str(error), text[:120]))


def _from_start(entries: Iterable[tuple[float, int, T]]) -> Iterator[tuple[int, float, T]]:
    """Yields line, time and content of each, the time in seconds since the first one's."""
    start: float | None = None
    last = at = 0.0
    for moment, number, content in entries:
        if moment != last:
            last = moment
            if start is None:
                start = moment
            # A line later than the window is wide must not make time run backwards.
            at = max(at, round(moment - start, 6))
        yield number, at, content
