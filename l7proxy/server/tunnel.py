"""A client's connection that has stopped being HTTP: bytes go both ways as they come."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from l7proxy.server.client_timer import READ
from l7proxy.server.client_timer import TUNNEL as TUNNEL_TURN

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from l7proxy.server.client_timer import ClientTimer
    from l7proxy.server.response_writer import ResponseWriter
    from l7proxy.upstreams.http.downstream import Tunnel


class State(Enum):
    """How far a tunnel has come: see `ClientTunnel`."""

    OPEN = "open"
    HALF_CLOSED = "half closed"
    CLOSED = "closed"


OPEN = State.OPEN
HALF_CLOSED = State.HALF_CLOSED
CLOSED = State.CLOSED


class ClientTunnel:
    """The client's end of a tunnel; `backend` is the other end. It is a `Tunnel` to that one.

        OPEN ──the backend ends──> HALF_CLOSED ──the client ends──> CLOSED
          └───────────────────either is gone──────────┴──────────────^

    A client that ends before the backend has ended is the backend's to react to.
    """

    __slots__ = ("_backend", "_on_lost", "_state", "_timer", "_transport", "_writer")

    def __init__(
        self,
        backend: Tunnel,
        transport: asyncio.Transport,
        writer: ResponseWriter,
        timer: ClientTimer,
        on_lost: Callable[[], None],
    ) -> None:
        """`on_lost` is called when the backend's end is gone."""
        self._backend = backend
        self._transport = transport
        self._writer = writer
        self._timer = timer
        self._on_lost = on_lost
        self._state = OPEN

    # What the client does.

    def client_data(self, data: bytes) -> None:
        """Passes on what the client has sent."""
        self._timer.start(READ if self._writer.backlogged else TUNNEL_TURN)
        self._backend.tunnel_data(data)

    def client_end(self) -> bool:
        """The client will send no more; returns whether its connection stays open for it to read.

        TLS has no half-closed connections.
        """
        self._backend.tunnel_end()
        if self._state is HALF_CLOSED:
            self._backend.tunnel_lost()
        return self._transport.can_write_eof()

    def client_lost(self) -> None:
        """The client is gone."""
        if self._state is not CLOSED:
            self._state = CLOSED
            self._backend.tunnel_lost()

    # What the backend does: see `Tunnel`.

    def tunnel_data(self, data: bytes) -> None:
        self._go_on_waiting()
        self._writer.tunnelled(data)

    def tunnel_end(self) -> None:
        self._state = HALF_CLOSED
        self._writer.release()
        if self._transport.can_write_eof():
            self._writer.end_output()

    def tunnel_lost(self) -> None:
        self._state = CLOSED
        self._on_lost()

    def pause_reading(self) -> None:
        self._transport.pause_reading()
        self._go_on_waiting()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
        self._go_on_waiting()

    def _go_on_waiting(self) -> None:
        """Restarts the timer, but not for a client that has yet to read what waits for it."""
        if not self._writer.backlogged:
            self._timer.start(TUNNEL_TURN)
