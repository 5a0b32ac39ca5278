"""Whether a socket has anything to be read, without reading it."""

from __future__ import annotations

from select import POLLIN, poll
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def readable(transport: asyncio.Transport) -> Callable[[], bool]:
    """Returns a function: whether there is anything to be read, bytes or the other side's end."""
    socket = transport.get_extra_info("socket")
    if socket is None:
        return _never
    watch = poll()
    watch.register(socket.fileno(), POLLIN)
    look = watch.poll
    return lambda: bool(look(0))


def _never() -> bool:
    """Returns False: without a socket nobody can tell."""
    return False
