"""How much memory responses that are kept as a whole may take, all together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.exchange_state import ENDED

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.upstreams.http.downstream import Flow


class ResponseMemory:
    """Stops reading from backends while the responses that are not complete take too much.

    The one that began first is always read on, so that it comes to its end and makes room; unless
    the memory is closed, because nobody takes what is complete.
    """

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes."""
        self._limit = limit
        self._held = 0
        self._bytes: dict[Exchange, int] = {}
        """What has come of each response that is not complete, in the order in which they began."""
        self._paused: dict[Exchange, Flow] = {}
        self._is_open = True

    def take(self, exchange: Exchange, count: int, flow: Flow) -> None:
        """Counts bytes of an exchange's response, which comes from `flow`."""
        self._held += count
        self._bytes[exchange] = self._bytes.get(exchange, 0) + count
        if not self._may_read(exchange):
            self._paused[exchange] = flow
            flow.pause_reading()
            self.look()

    def give_back(self, exchange: Exchange) -> None:
        """Counts a response out, which is complete or over."""
        self._paused.pop(exchange, None)
        self._held -= self._bytes.pop(exchange, 0)
        if self._paused:
            self.look()

    def look(self, *, is_open: bool | None = None) -> None:
        """Reads on where there is room again; opens or closes the memory, if that is said."""
        if is_open is not None:
            self._is_open = is_open
        if not self._paused:
            return
        for exchange in [each for each in self._bytes if each.state is ENDED]:
            # It broke off.
            self._paused.pop(exchange, None)
            self._held -= self._bytes.pop(exchange)
        for exchange in [each for each in self._paused if self._may_read(each)]:
            self._paused.pop(exchange).resume_reading()

    def _may_read(self, exchange: Exchange) -> bool:
        if not self._is_open:
            return False
        return self._held <= self._limit or next(iter(self._bytes)) is exchange
