"""Traffic from the lines of files: what is broken is counted, the rest is in order of time."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from typing import Any, TypeVar

from l7proxy.core.http.grammar import host_in
from l7proxy.core.http.messages import Headers, HttpRequest
from l7proxy.tools.formats import access, envelopes, har
from l7proxy.tools.formats.detection import SAMPLE, UnknownFormat, recognise
from l7proxy.tools.formats.format import Details
from l7proxy.tools.formats.line import BadLine, Envelope, Heading
from l7proxy.tools.formats.registry import check_details, named_format
from l7proxy.tools.formats.wrappings import unwrapped

T = TypeVar("T")

SHOWN = 5
"""How many broken lines are kept to be shown."""
WINDOW = 1000
"""How many lines of a log may be out of order among themselves. Logs are written when requests
end, so that a line may stand behind others whose requests started later."""
BYTE_ORDER_MARK = "\ufeff"

Skip = Callable[[int, str, BadLine], None]


class Unreadable(ValueError):
    """A line can't be read, and nothing less than all was asked for."""


class Source:
    """One file of the traffic: its lines, and what they are recognised as."""

    def __init__(
        self, lines: Iterable[str], format_name: str | None, details: Details, name: str = ""
    ) -> None:
        """`name` is that of the file. Raises ValueError as `Traffic` does."""
        lines = iter(lines)
        self.name = name
        self.sample = list(islice(lines, SAMPLE))
        if self.sample:
            self.sample[0] = self.sample[0].removeprefix(BYTE_ORDER_MARK)
        if format_name is not None:
            check_details(format_name, details)
        self.recognised = recognise(self.sample, format_name, details)
        check_details(self.format, details)
        self._lines = chain(self.sample, lines)
        self._details = details

    @property
    def format(self) -> str:
        """The name of the format."""
        return self.recognised.format.name

    @property
    def is_log(self) -> bool:
        """Whether its lines become requests; if not, they are envelopes."""
        return self.recognised.format.reader is not None

    def requests(self, skip: Skip) -> Iterator[tuple[float, int, HttpRequest]]:
        """Yields time, line and request, in order of time; calls `skip` for broken lines."""
        make = self.recognised.format.reader
        assert make is not None
        return _in_order(self._numbered(), make(self._details), skip)

    def envelopes(self, skip: Skip) -> Iterator[tuple[float, int, Envelope]]:
        """Yields time, line and envelope; the time is 0 where the order is that of the lines."""
        if self.format == "access":
            read = access.reader(as_logged=self._details.as_logged)
            yield from _in_order(self._numbered(), read, skip)
            return
        for number, line in self._numbered():
            try:
                yield 0.0, number, envelopes.read(line)
            except BadLine as error:
                skip(number, line, error)

    def _numbered(self) -> Iterable[tuple[int, str]]:
        if self.format == "har":
            try:
                return enumerate(list(har.entries(self._lines)), 1)
            except BadLine as error:
                raise Unreadable(str(error)) from None
        if self.recognised.wrappings:
            return unwrapped(self._lines, self.recognised.wrappings)
        return enumerate(self._lines, 1)


class Traffic:
    """Iterates over what the lines say: `requests` of a log, or else `envelopes`.

    - `format` is the name of the format, told from the first lines where none was given
    - `bad` counts the lines that were skipped, `shown` has the first of them: number, why, text
    - `sources` are the files, each with what it was recognised as
    - the number of a line is unique among those of several files; `place` is what it stands for
    """

    def __init__(
        self,
        lines: Iterable[str],
        format_name: str | None = None,
        *,
        name: str = "",
        more: Sequence[tuple[str, Iterable[str]]] = (),
        host: str | None = None,
        strict: bool = False,
        **details: Any,
    ) -> None:
        """`lines` are those of a file of that name, and `more` are other files, each as both.

        `host` is the Host header of requests without one, and `details` are the fields of
        `Details`. Raises `UnknownFormat` where the format can't be told, and ValueError for details
        that make no sense, and where envelopes are mixed with logs.
        """
        made = Details(**details)
        format_name = named_format(format_name, made)
        files = [(name, lines), *more]
        self.bad = 0
        self.shown: list[tuple[int, str, str]] = []
        self.sources = [_source(each, format_name, made, len(files) > 1) for each in files]
        self._strict = strict
        self._host = host
        self._is_detected = format_name is None
        """Whether the format was told from the lines, and not named."""
        formats = list(dict.fromkeys(source.format for source in self.sources))
        self.format = ", ".join(formats)
        self.is_log = self.sources[0].is_log
        if len(formats) > 1 and not all(source.is_log for source in self.sources):
            raise ValueError(f"envelopes can't be mixed with other files: {self.format}")
        if host is not None and host_in(host) is None:
            raise ValueError(f'--host: "{host}" is not a host')
        if host is not None and not self.is_log:
            raise ValueError(f'--host is for logs, and the format is "{self.format}"')

    @property
    def has_hosts(self) -> bool:
        """Whether requests say which host they are for, as far as the first lines tell."""
        return any(source.recognised.has_hosts for source in self.sources)

    @property
    def doubts(self) -> list[str]:
        """What is to be said of files whose format does not fit all of their first lines."""
        found = []
        for source in self.sources if self._is_detected else ():
            recognised = source.recognised
            if recognised.fits < recognised.of:
                name = f"{source.name}: " if len(self.sources) > 1 else ""
                found.append(f"{name}read as {recognised}")
        return found

    def guess(self) -> str | None:
        """Returns the format that the lines seem to have where another one was named, or None."""
        try:
            return None if self._is_detected else recognise(self.sources[0].sample).format.name
        except UnknownFormat:
            return None

    def place(self, number: int) -> str:
        """Returns where a line is: `line 7`, or `access.log:7` where there are several files."""
        line, which = divmod(number, len(self.sources))
        return f"line {line}" if len(self.sources) == 1 else f"{self.sources[which].name}:{line}"

    def requests(self) -> Iterator[tuple[int, float, HttpRequest]]:
        """Yields the requests of a log: the line of each, when it was made, and the request.

        The time is in seconds since the first one. Raises `Unreadable` where a line is broken and
        `strict` was asked for.
        """
        found = _from_start(self._merged([source.requests for source in self.sources]))
        return found if self._host is None else _with_host(found, self._host)

    def envelopes(self) -> Iterator[tuple[int, Envelope]]:
        """Yields each envelope with its line; in an access log, `at` counts from the first one.

        Raises `Unreadable` where a line is broken and `strict` was asked for.
        """
        entries = self._merged([source.envelopes for source in self.sources])
        if self.format == "access":
            for number, at, envelope in _from_start(entries):
                envelope["at"] = at
                yield number, envelope
            return
        for _, number, envelope in entries:
            yield number, envelope

    def _merged(
        self, streams: Sequence[Callable[[Skip], Iterator[tuple[float, int, T]]]]
    ) -> Iterator[tuple[float, int, T]]:
        """Returns what is in all of the files in order of time, the lines numbered anew."""
        if len(streams) == 1:
            return streams[0](self._skip)
        count = len(streams)

        def numbered(
            which: int, stream: Callable[[Skip], Iterator[tuple[float, int, T]]]
        ) -> Iterator[tuple[float, int, T]]:
            def skip(number: int, line: str, error: BadLine) -> None:
                self._skip(number * count + which, line, error)

            for moment, number, content in stream(skip):
                yield moment, number * count + which, content

        return merge(*(numbered(*each) for each in enumerate(streams)), key=itemgetter(0))

    def _skip(self, number: int, line: str, error: BadLine) -> None:
        text = line.strip()
        if not text or isinstance(error, Heading):
            return
        if self._strict:
            raise Unreadable(f"{self.place(number)}: {error}: {text[:120]}")
        self.bad += 1
        if len(self.shown) < SHOWN:
            self.shown.append((number, str(error), text[:120]))


def _source(
    file: tuple[str, Iterable[str]], format_name: str | None, details: Details, is_named: bool
) -> Source:
    """Returns a file's source; an error says which file it is about if that `is_named`."""
    name, lines = file
    try:
        return Source(lines, format_name, details, name)
    except UnknownFormat as error:
        raise UnknownFormat(f"{name}: {error}" if is_named else str(error)) from None


def _in_order(
    numbered: Iterable[tuple[int, str]], read: Callable[[str], tuple[float, T]], skip: Skip
) -> Iterator[tuple[float, int, T]]:
    """Yields the time, line and content that `read` finds in each line, in order of time."""
    # Most lines are later than those before them, and so belong at the end.
    held: deque[tuple[float, int, T]] = deque()
    latest = 0.0
    for number, line in numbered:
        try:
            moment, content = read(line)
        except BadLine as error:
            skip(number, line, error)
            continue
        if moment >= latest:
            held.append((moment, number, content))
            latest = moment
        else:
            insort(held, (moment, number, content))
        if len(held) > WINDOW:
            yield held.popleft()
    yield from held


def _with_host(
    entries: Iterable[tuple[int, float, HttpRequest]], host: str
) -> Iterator[tuple[int, float, HttpRequest]]:
    """Yields the same requests, with this Host header where there was no host."""
    for number, at, request in entries:
        if request.headers.get("host") is None and "://" not in request.target:
            request.headers = Headers([("Host", host), *request.headers])
        yield number, at, request


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
