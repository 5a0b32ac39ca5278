"""A connection to a backend that has stopped being HTTP: bytes go both ways as they come."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from l7proxy.upstreams.http.downstream import Tunnel


class BackendTunnel:
    """The backend's end of a tunnel: a `Tunnel` to the client's end, which is `client`."""

    __slots__ = ("_on_lost", "_transport", "client", "has_ended")

    client: Tunnel

    def __init__(self, transport: asyncio.Transport, on_lost: Callable[[], None]) -> None:
        """`on_lost` is called when the client's end is gone."""
        self._transport = transport
        self._on_lost = on_lost
        self.has_ended = False
        """Whether the client will send no more."""

    # What the client's end does.

    def tunnel_data(self, data: bytes) -> None:
        self._transport.write(data)

    def tunnel_end(self) -> None:
        self.has_ended = True
        if self._transport.can_write_eof():
            # A backend that nothing is read from may be gone without having been heard to go.
            with suppress(OSError):
                self._transport.write_eof()

    def tunnel_lost(self) -> None:
        self._on_lost()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
