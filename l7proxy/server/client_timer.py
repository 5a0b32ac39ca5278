"""Whose turn it is on a client's connection, and how long the client may take over it."""

from __future__ import annotations

from enum import Enum
from fcntl import ioctl
from sys import byteorder
from termios import TIOCOUTQ
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from l7proxy.core.config.server import ServerTimeoutsConfig

NEVER = float("inf")
LINGER = 2.0
"""Seconds for which a client may go on sending after it has read the last response: a connection
closed with unread bytes would be reset, and the response lost with it."""


class Turn(Enum):
    """What a connection waits for its client to do."""

    NOTHING = "nothing"
    """It is the proxy's turn, or a backend's."""
    REQUEST = "send the next request"
    HEAD = "send the rest of a request's head"
    BODY = "send more of a request's body"
    READ = "read what it was sent, and close if that was all"
    TUNNEL = "send or be sent anything, in a tunnel"


NOTHING = Turn.NOTHING
REQUEST = Turn.REQUEST
HEAD = Turn.HEAD
BODY = Turn.BODY
READ = Turn.READ
TUNNEL = Turn.TUNNEL


class ClientTimer:
    """Times what the client is to do next.

    `deadline` is when the client has been too slow (seconds on the clock that the timer was made
    with), `NEVER` where nothing is awaited. It may be left to pass where the turn has changed in
    between: whoever finds it passed looks whose turn it is by then. So a request that is answered
    before long starts the timer once, not twice.

    `timeouts` are the limits of what is started from now on.
    """

    __slots__ = ("_given_up_at", "_time", "_transport", "_unread", "deadline", "timeouts")

    def __init__(
        self,
        transport: asyncio.Transport,
        time: Callable[[], float],
        timeouts: ServerTimeoutsConfig,
    ) -> None:
        self._transport = transport
        self._time = time
        self._unread = 0
        self._given_up_at = NEVER
        self.timeouts = timeouts
        self.deadline = NEVER

    def start(self, turn: Turn, now: float | None = None) -> None:
        """Starts to wait for what the client is to do; `now` is the present, where it is known."""
        timeouts = self.timeouts
        if now is None:
            now = self._time()
        if turn is REQUEST:
            self.deadline = now + timeouts.idle
        elif turn is NOTHING:
            self.deadline = NEVER
        elif turn is READ:
            self._unread = self.count_unread()
            self._given_up_at = now + timeouts.write
            self.deadline = now + min(LINGER, timeouts.write)
        elif turn is HEAD:
            self.deadline = now + timeouts.head
        elif turn is BODY:
            self.deadline = now + timeouts.body
        else:
            self.deadline = now + timeouts.tunnel

    def stop(self) -> None:
        """Waits for nothing."""
        self.deadline = NEVER

    def go_on_reading(self) -> bool:
        """Goes on waiting for a client that still reads something now and then.

        False where it has read nothing for too long, or has read everything and does not close.
        To be called once the deadline of a `READ` has passed.
        """
        now, unread = self._time(), self.count_unread()
        write = self.timeouts.write
        if unread < self._unread:
            self._given_up_at = now + write
        elif not unread or now >= self._given_up_at:
            return False
        self._unread = unread
        self.deadline = now + min(LINGER, write)
        return True

    def count_unread(self) -> int:
        """How many bytes are on their way to the client, here and in the kernel."""
        return self._transport.get_write_buffer_size() + _unacknowledged(self._transport)


def _unacknowledged(transport: asyncio.Transport) -> int:
    """How many bytes the kernel has that the client has not acknowledged; 0 if it can't say."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return 0
    count = bytearray(4)
    try:
        ioctl(sock.fileno(), TIOCOUTQ, count)
    except OSError:
        return 0
    return int.from_bytes(count, byteorder)
