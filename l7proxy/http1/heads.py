"""What the parsers of requests' and of responses' heads have in common: finding and remembering."""

from __future__ import annotations

from typing import Generic, TypeVar

from l7proxy.http1.limits import DEFAULT_LIMITS, Limits
from l7proxy.http1.memo import Memo

Head = TypeVar("Head")


class HeadParser(Generic[Head]):
    """Parses heads under one set of limits; remembers those it has seen.

    One parser serves any number of connections of one thread: between calls it holds nothing
    about any of them.
    """

    __slots__ = ("_heads", "_limits")

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, remember: int = 512) -> None:
        """`remember`: how many heads are remembered at most."""
        self._limits = limits
        self._heads: Memo[Head] = Memo(remember)

    def parse(self, data: bytes, start: int = 0, scanned: int = 0) -> tuple[Head, int] | None:
        """The head at `data[start:]` and the index behind it; None while incomplete.

        `scanned`: how much of `data` an earlier call has seen (its `len(data)`), so that a head
        that comes in small pieces is not searched from its beginning each time.
        Raises BadRequest or BadResponse, also for an incomplete head that nothing could make
        valid. The bytes alone decide about that, never how they were cut into pieces.
        """
        end = data.find(b"\r\n\r\n", max(start, scanned - 3) if scanned else start)
        if end < 0:
            self._refuse_early(data, start, scanned)
            return None
        end += 4
        raw = data[start:end]
        head = self._heads.get(raw)
        if head is None:
            head = self._parse_new(raw)
        return head, end

    def _parse_new(self, raw: bytes) -> Head:
        """The head that is these bytes, its empty line included; remembers it."""
        raise NotImplementedError

    def _refuse_early(self, data: bytes, start: int, scanned: int) -> None:
        """Raises for what has come of a head if it can't become valid."""
        raise NotImplementedError
