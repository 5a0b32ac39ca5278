"""What is too much for one turn of the event loop, shared out fairly over the next ones.

One read may bring thousands of requests, or of a body's chunks. Whoever has sent them waits for its
turn with what is behind the first few, so that nobody else waits for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


LARGE_READ = 128 * 1024
"""Bytes of a read behind which there is more, most likely: loops read some 250 kB at a time, and
uvloop up to 32 times in a turn."""
SHARE = 0.0005
"""Seconds of a turn of the loop that all who wait have together, but for one step at least."""


class Waiting(Protocol):
    """Has more to do than it may do at once."""

    def go_on(self) -> bool:
        """Takes the next step, and waits again where that was not the last.

        False where the step has begun what takes its time only later in the turn.
        """


class FairQueue:
    """Has those who wait take their steps round robin (J. Nagle, RFC 970), a few in each turn.

    A step is to be short: a turn may have one more than it has room for.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._time = loop.time
        self._waiting: dict[Waiting, None] = {}
        self._is_due = False

    def put(self, waiting: Waiting) -> None:
        """Has it go on after those who wait already; once, however often it was put here."""
        self._waiting[waiting] = None
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._run_turn)

    def _run_turn(self) -> None:
        waiting = self._waiting
        try:
            end = self._time() + SHARE
            while waiting:
                first = next(iter(waiting))
                del waiting[first]
                if not first.go_on() or self._time() >= end:
                    break
        finally:
            self._is_due = bool(waiting)
            if waiting:
                self._loop.call_soon(self._run_turn)
