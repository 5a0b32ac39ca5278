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

    __slots__ = ("_join", "_limits", "_match", "_small", "remembered")

    def __init__(
        self,
        match: Callable[[bytes], re.Match[bytes] | None],
        join: Callable[[re.Match[bytes], bytes], Head],
        limits: Limits = DEFAULT_LIMITS,
        *,
        remember: int = 512,
    ) -> None:
        """`match` matches a head, of which with all of its bytes `join` makes one.

        `remember`: how many heads are remembered at most.
        """
        self._match = match
        self._join = join
        self._limits = limits
        self.remembered: Memo[Head] = Memo(remember, MOSTLY)
        # A head that is not larger keeps to every limit: a field has at least four bytes.
        self._small = min(limits.head, limits.line, 4 * limits.fields)

    def parse(self, data: bytes, start: int = 0, scanned: int = 0) -> tuple[Head, int] | None:
        """The head at `data[start:]` and the index behind it; None while incomplete.

        `scanned`: how much of `data` an earlier call has seen (its `len(data)`), so that a head
        that comes in small pieces is not searched from its beginning each time.
        Raises BadRequest or BadResponse, also for an incomplete head that nothing could make
        valid. The bytes alone decide about that, never how they were cut into pieces.
        """
        if start == 0 and data[-4:] == _END and len(data) <= MOSTLY:
            # Mostly there is one head and nothing behind it.
            head = self.remembered.get(data)
            if head is not None:
                return head, len(data)
            match = self._match(data)
            if match is not None and match.end() == len(data):
                return self._parse_new(match, data), len(data)
        end = data.find(_END, max(start, scanned - 3) if scanned else start)
        if end < 0:
            self._refuse_early(data, start, scanned)
            return None
        end += 4
        raw = data[start:end]
        head = self.remembered.get(raw)
        if head is None:
            match = self._match(raw)
            head = self._parse_odd(raw) if match is None else self._parse_new(match, raw)
        return head, end

    def _parse_new(self, match: re.Match[bytes], raw: bytes) -> Head:
        """The head that `match` found, which is all of `raw`."""
        if len(raw) > self._small:
            self._check_limits(raw)
        try:
            head = self._join(match, raw)
        except BadMessage:
            # Whoever reads byte by byte meets the first fault of the head first, and so it has
            # to be the one that counts.
            self._refuse_early(raw, 0, 0)
            raise
        self.remembered.remember(raw, head)
        return head

    def _parse_odd(self, raw: bytes) -> Head:
        """The head in bytes that end as one does, but are none as it should be. Raises for most."""
        raise self._fault(raw)

    def _check_limits(self, raw: bytes) -> None:
        """Raises for a head that is larger than it may be."""
        raise NotImplementedError

    def _fault(self, raw: bytes) -> BadMessage:
        """What is wrong with bytes that end as a head does, and are none."""
        raise NotImplementedError

    def _refuse_early(self, data: bytes, start: int, scanned: int) -> None:
        """Raises for what has come of a head if it can't become valid."""
        raise NotImplementedError
