"""Requests that wait for a place on a backend, the longest first."""

from __future__ import annotations

from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from l7proxy.core.exchange import Exchange


class WaitQueue:
    """The line of one pool, of at most `size` requests; nothing else changes it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._line: OrderedDict[Exchange, None] = OrderedDict()
        self._admitting = False

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._line)

    @property
    def has_room(self) -> bool:
        """Whether one more request may wait."""
        return len(self._line) < self._size

    def join(self, exchange: Exchange) -> None:
        """Puts a request at the end of the line."""
        self._line[exchange] = None

    def leave(self, exchange: Exchange) -> None:
        """Takes a request out, if it is in the line."""
        self._line.pop(exchange, None)

    def clear(self) -> None:
        """Empties the line."""
        self._line.clear()

    def admit(self, now: float) -> None:
        """Gives the places that there are to requests, the longest waiting first.

        A place that becomes free meanwhile is given away by the same loop: admitting one request
        may end another. Who meets a bug in that leaves the line, and costs nobody else anything.
        """
        if self._admitting:
            return
        self._admitting = True
        try:
            while self._line:
                first = next(iter(self._line))
                try:
                    if not first.take_place(now):
                        break
                except Exception as error:
                    self.leave(first)
                    first.met_bug(error)
        finally:
            self._admitting = False
