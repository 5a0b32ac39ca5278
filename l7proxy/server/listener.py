"""Accepts clients' connections, and ends those whose clients are too slow."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from l7proxy.core.callbacks import ignore
from l7proxy.core.http.local_reply import DRAINING
from l7proxy.server.acceptor import Acceptor
from l7proxy.server.connection import BUSY, ClientConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from ssl import SSLContext

    from l7proxy.server.service import Service

BACKLOG = 4096
"""Connections that wait to be accepted."""
LAST_WORDS = 1.0
"""Seconds in which clients that are given up at the end of a drain may read so."""
_NEVER = 86400.0
_TURNS = 4
"""Turns of the loop after which what an accepted connection had to say has been read."""


class Listener:
    """Accepts connections on any number of sockets.

    - `service` is the configuration that new requests are served by; it may be replaced.
    - `connections` are those that are open.
    - `draining` is whether each response is its connection's last.
    - `time` is the clock that clients are timed by (seconds); what replaces it applies to
      connections made from then on.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: Service,
        log: Callable[[str], None] = ignore,
    ) -> None:
        self.loop = loop
        self._log = log
        self.time: Callable[[], float] = loop.time
        self.service = service
        self.connections: set[ClientConnection] = set()
        self.draining = False
        self._acceptors: list[Acceptor] = []
        self._adopted: Service | None = service
        """The service that all connections are served by; None where some still have another."""
        self._idle: asyncio.Event | None = None

    def listen(self, sock: socket.socket, tls: SSLContext | None = None) -> None:
        """Accepts connections to a socket that listens, with TLS if there is a context."""
        acceptor = Acceptor(
            self.loop,
            sock,
            self._protocol,
            self._log,
            tls=tls,
            handshake=None if tls is None else self.service.timeouts.head,
            # The connection's own timer ends those whose clients read nothing.
            shutdown=None if tls is None else _NEVER,
        )
        acceptor.start()
        self._acceptors.append(acceptor)

    def _protocol(self) -> ClientConnection:
        return ClientConnection(self)

    def lost(self, connection: ClientConnection) -> None:
        """Forgets a connection that has ended."""
        self.connections.discard(connection)
        if self._idle is not None and not self.connections:
            self._idle.set()

    def sweep(self, now: float) -> None:
        """Calls `overdue` of the connections whose deadline is before `now` (seconds).

        To be called about once a second. Connections that only wait for a request keep no
        configuration from before.
        """
        if self._adopted is not self.service:
            kept = [c for c in self.connections if not c.adopt()]
            self._adopted = None if kept else self.service
        for connection in [c for c in self.connections if c.timer.deadline < now]:
            connection.overdue()

    async def drain(self, timeout: float) -> None:
        """Stops accepting, and waits for the requests in flight, for `timeout` seconds at most.

        Then a request that has no response yet is answered 503; what else is left is cut short.
        """
        self.draining = True
        while self._acceptors:
            self._acceptors.pop().close()
        for _ in range(_TURNS):
            # Who was accepted last has its request read, if it has sent one.
            await asyncio.sleep(0)
        self._idle = asyncio.Event()
        for connection in list(self.connections):
            connection.drain()
        if await self._ended_within(timeout):
            return
        for connection in list(self.connections):
            if connection.state is BUSY:
                connection.request.break_off(DRAINING)
            else:
                connection.abort()
        if not await self._ended_within(LAST_WORDS):
            for connection in list(self.connections):
                connection.abort()

    async def _ended_within(self, timeout: float) -> bool:
        """Waits for the end of all connections, for at most `timeout` seconds; whether it came."""
        assert self._idle is not None
        if self.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout)
        return not self.connections
