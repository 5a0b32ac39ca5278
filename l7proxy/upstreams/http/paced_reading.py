"""When more is read of a body: as its receiver can keep up, and by turns where much comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from l7proxy.upstreams.http.fair_queue import FairQueue


TURN = 1024 * 1024
"""Bytes of large reads behind which others have a turn; behind each read it would cost too much."""


class PacedReading:
    """Reads from a transport, but not while it is held, or waits for a turn.

    `rest` is what has come already and is to be read first.
    """

    __slots__ = ("_came", "_is_held", "_is_waiting", "_queue", "_read", "_transport", "rest")

    def __init__(
        self, transport: asyncio.Transport, queue: FairQueue, read: Callable[[bytes], None]
    ) -> None:
        """`read` is called with the rest when it has its turn; it may wait again."""
        self._transport = transport
        self._queue = queue
        self._read = read
        self._came = 0
        self._is_held = False
        self._is_waiting = False
        self.rest = b""

    def came(self, size: int) -> None:
        """Counts a large read, and waits for a turn where that was enough for one."""
        self._came += size
        if self._came >= TURN:
            self.wait(b"")

    def hold(self) -> None:
        """Reads nothing until it is released: the receiver can't keep up."""
        self._is_held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Reads on, or waits for the turn that is still due."""
        self._is_held = False
        if self._is_waiting:
            self._queue.put(self)
        else:
            self._transport.resume_reading()

    def wait(self, rest: bytes) -> None:
        """Reads nothing until it has had a turn, and then `rest` first."""
        self.rest = rest
        self._came = 0
        if not self._transport.is_closing():
            self._is_waiting = True
            self._transport.pause_reading()
            self._queue.put(self)

    def go_on(self) -> bool:
        """Has its turn: see `FairQueue`."""
        if not self._is_waiting or self._is_held:
            return True
        self._is_waiting = False
        rest = self.take_rest()
        if rest:
            self._read(rest)
        if not self._is_waiting and not self._is_held and not self._transport.is_closing():
            self._transport.resume_reading()
        return bool(rest)

    def take_rest(self) -> bytes:
        """Returns what is to be read first, which is not kept."""
        rest, self.rest = self.rest, b""
        return rest

    def finish(self) -> None:
        """Reads the rest at once: no more will come."""
        while self.rest:
            self._read(self.take_rest())

    def forget(self) -> None:
        """Nothing is read any more, or something else."""
        self.rest = b""
        self._is_waiting = self._is_held = False
