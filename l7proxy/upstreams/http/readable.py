"""What the event loop has not read of a socket: whether there is anything, and what it is."""

from __future__ import annotations

from functools import partial
from os import read
from select import POLLIN, poll
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_MOST = 16
_AT_ONCE = 64 * 1024


def readable(transport: asyncio.Transport) -> Callable[[], object]:
    """Returns a function whose result is true where there are bytes to be read, or the end."""
    socket = transport.get_extra_info("socket")
    if socket is None:
        return _never
    watch = poll()
    watch.register(socket.fileno(), POLLIN)
    return partial(watch.poll, 0)


def _never() -> bool:
    """Returns False: without a socket nobody can tell."""
    return False


def left_unread(transport: asyncio.Transport) -> bytes:
    """Returns what has come and was not read by a transport that is lost.

    An event loop reads nothing more once writing has failed, though the other side may have said
    why before it closed. It is at most 1 MiB, and b"" with TLS, where only the loop could read it.
    """
    socket = transport.get_extra_info("socket")
    if socket is None or transport.get_extra_info("sslcontext") is not None:
        return b""
    pieces: list[bytes] = []
    try:
        descriptor = socket.fileno()
        while len(pieces) < _MOST and (piece := read(descriptor, _AT_ONCE)):
            pieces.append(piece)
    except OSError:
        # There is no more, or the other side's reset came behind what there was.
        pass
    return b"".join(pieces)
