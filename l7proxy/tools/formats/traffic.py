"""Traffic from the lines of a file: what is broken counted, the rest in order of time."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import chain, islice

from l7proxy.tools.formats import har
from l7proxy.tools.formats.line import BadLine
from l7proxy.tools.formats.registry import find_reader, recognise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from l7proxy.tools.formats.line import Envelope

SHOWN = 5
"""How many broken lines are kept to be shown."""
WINDOW = 1000
"""How many lines of a log may be out of order among themselves. Logs are written when requests
end, so that a line may stand behind others whose requests started later."""


class Unreadable(ValueError):
    """A line can't be read, and nothing less than all was asked for."""


class Traffic:
    """Iterates over `(line number, envelope)`. An envelope of a log has `at`, starting at 0.

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
        self.bad = 0
        self.shown: list[tuple[int, str, str]] = []
        self._strict = strict
        self._lines = lines
        self._read = find_reader(
            format_name, mapping=mapping, captures=captures, as_logged=as_logged
        )

    def __iter__(self) -> Iterator[tuple[int, Envelope]]:
        """Raises `Unreadable` where a line is broken and `strict` was asked for."""
        if self.format == "envelopes":
            return self._readable()
        return self._in_order()

    def _readable(self) -> Iterator[tuple[int, Envelope]]:
        read = self._read
        for number, line in enumerate(self._texts(), 1):
            try:
                yield number, read(line)
            except BadLine as error:
                if line.strip():
                    self._broken(number, str(error), line)

    def _texts(self) -> Iterable[str]:
        if self.format != "har":
            return self._lines
        try:
            return list(har.entries(self._lines))
        except BadLine as error:
            raise Unreadable(str(error)) from None

    def _in_order(self) -> Iterator[tuple[int, Envelope]]:
        held: list[tuple[float, int, Envelope]] = []
        start: float | None = None
        last = 0.0

        def next_one() -> tuple[int, Envelope]:
            nonlocal start, last
            moment, number, envelope = heappop(held)
            if start is None:
                start = moment
            # What comes later than the window is wide still must not make time run backwards.
            last = max(last, round(moment - start, 6))
            envelope["at"] = last
            return number, envelope

        for number, envelope in self._readable():
            heappush(held, (envelope["at"], number, envelope))
            if len(held) > WINDOW:
                yield next_one()
        while held:
            yield next_one()

    def _broken(self, number: int, why: str, line: str) -> None:
        text = line.strip()
        if self._strict:
            raise Unreadable(f"line {number}: {why}: {text[:120]}")
        self.bad += 1
        if len(self.shown) < SHOWN:
            self.shown.append((number, why, text[:120]))
