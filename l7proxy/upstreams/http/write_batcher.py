"""Writes held back until everything that has come in was looked at.

Between two waits an event loop hands out all that has arrived. Written one by one in between,
each message finds its reader asleep again and wakes it, which costs the kernel as much as the
write itself; written one right behind the other, only the first does. Measured with 64
connections on one core: an eighth less processor time for a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from l7proxy.upstreams.http.downstream import Piece

    Write = Callable[[bytes], object]
    Put = Callable[[Write, bytes], None]
    """Writes data, sooner or later."""

FEW = 16
"""Fewer than so many at a time don't make up for the loop's turn that they wait for."""
ALONE = 1000
"""After there were few, so many are written at once before it is tried again."""
_JOINED = 32 * 1024
"""Bytes below which joining pieces costs less than writing them one by one."""


def put_at_once(write: Write, data: bytes) -> None:
    """Calls `write(data)`, whatever is held back."""
    write(data)


def write_pieces(write: Callable[[Piece], object], pieces: Sequence[Piece]) -> None:
    """Writes them in as few calls as pay: a chunk's size, payload and end together."""
    if len(pieces) > 1 and sum(map(len, pieces)) < _JOINED:
        write(b"".join(pieces))
        return
    for piece in pieces:
        write(piece)


class WriteBatcher:
    """Holds writes back on one event loop.

    It knows nothing of order beyond its own: whoever writes past it, or is about to close, calls
    `flush` first.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.held: list[tuple[Write, bytes]] = []
        self.alone = 0
        """How many are yet to be written at once."""

    def put(self, write: Write, data: bytes) -> None:
        """Calls `write(data)`: soon, or now while there is little else to write."""
        if self.alone:
            self.alone -= 1
            write(data)
            return
        held = self.held
        if not held:
            self.loop.call_soon(self._end_turn)
        held.append((write, data))

    def flush(self) -> None:
        """Writes everything that is held back."""
        held = self.held
        if held:
            self.held = []
            for write, data in held:
                try:
                    write(data)
                except RuntimeError:
                    # uvloop's word for a connection that was lost meanwhile.
                    pass

    def _end_turn(self) -> None:
        if len(self.held) < FEW:
            self.alone = ALONE
        self.flush()
