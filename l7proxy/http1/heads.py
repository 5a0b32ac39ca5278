"""What the parsers of requests' and of responses' heads have in common: finding and remembering."""

from __future__ import annotations

from typing import Generic, TypeVar

from l7proxy.http1.errors import BadMessage
from l7proxy.http1.limits import DEFAULT_LIMITS, Limits
from l7proxy.http1.memo import Memo

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable

Head = TypeVar("Head")

_END = b"\r\n\r\n"
MOSTLY = 2048
"""Bytes that hardly any head is larger than."""


class HeadParser(Generic[Head]):
    """Parses heads under one set of limits; remembers those that come again and again.

    One parser serves any number of connections of one thread: between calls it holds nothing
    about any of them.
    """

    __slots__ = (
        "_join",
        "_last",
        "_last_raw",
        "_limits",
        "_match",
        "_small",
        "remembered",
    )

    _last: Head

    def __init__(
        self,
        match: Callable[[bytes], re.Match[bytes] | None],
        join: Callable[[re.Match[bytes], bytes], Head],
        limits: Limits = DEFAULT_LIMITS,
        *,
        remember: int = 512,
    ) -> None:
        """`match` matches bytes that are just a head; with them, `join` makes it one.

        `remember`: how many heads are remembered at most.
        """
        self._match = match
        self._join = join
        self._limits = limits
        self.remembered: Memo[Head] = Memo(remember, MOSTLY)
        # The bytes of the known head that came last, which most likely is the next one, too.
        # Nothing starts with one of none.
        self._last_raw: bytes | tuple[bytes, ...] = ()
        # A head that is not larger keeps to every limit: a field has at least four bytes.
        self._small = min(limits.head, limits.line, 4 * limits.fields)

    def parse(self, data: bytes, start: int = 0, scanned: int = 0) -> tuple[Head, int] | None:
        """The head at `data[start:]` and the index behind it; None while incomplete.

        `scanned`: how much of `data` an earlier call has seen (its `len(data)`), so that a head
        that comes in small pieces is not searched from its beginning each time.
        Raises BadRequest or BadResponse, also for an incomplete head that nothing could make
        valid. The bytes alone decide about that, never how they were cut into pieces.
        """
        if start == 0 and data.startswith(self._last_raw):
            return self._last, len(self._last_raw)
        raw, end = data, len(data)
        # Mostly there is one head and nothing behind it.
        if start or data[-4:] != _END or end > MOSTLY:
            end = data.find(_END, max(start, scanned - 3)) + 4
            if end < 4:
                return self._parse_begun(data, start, scanned)
            raw = data[start:end]
        memo = self.remembered
        if memo.resting:
            memo.resting -= 1
        else:
            head = memo.get(raw)
            if head is not None:
                memo.misses = 0
                self._last, self._last_raw = head, raw
                return head, end
        match = self._match(raw)
        if match is None:
            return self._parse_odd(data, start, raw)
        if len(raw) > self._small:
            self._check_limits(raw)
        try:
            head = self._join(match, raw)
        except BadMessage as error:
            return self._parse_contradictory(raw, error), end
        if not memo.resting:
            memo.remember(raw, head)
        return head, end

    def _parse_begun(self, data: bytes, start: int, scanned: int) -> tuple[Head, int] | None:
        """The same as `parse` for what has no end as a head should have it."""
        self._refuse_early(data, start, scanned)
        return None

    def _parse_odd(self, data: bytes, start: int, raw: bytes) -> tuple[Head, int] | None:
        """The same for what has one, but isn't just one head up to there, which is `raw`."""
        end = raw.index(_END) + 4
        if end < len(raw):
            parsed = self.parse(raw[:end])
            assert parsed is not None
            return parsed[0], start + parsed[1]
        raise self._fault(raw)

    def _parse_contradictory(self, raw: bytes, error: BadMessage) -> Head:
        """The head in bytes that are one by their form alone. Raises BadRequest or BadResponse."""
        # Whoever reads byte by byte meets the first fault of the head first, and so it has to be
        # the one that counts.
        self._refuse_early(raw, 0, 0)
        raise error

    def _check_limits(self, raw: bytes) -> None:
        """Raises for a head that is larger than it may be."""
        raise NotImplementedError

    def _fault(self, raw: bytes) -> BadMessage:
        """Returns what is wrong with bytes that end as a head does, and are none."""
        raise NotImplementedError

    def _refuse_early(self, data: bytes, start: int, scanned: int) -> None:
        """Raises for what has come of a head if it can't become valid."""
        raise NotImplementedError
