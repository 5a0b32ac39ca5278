"""Where clients connect, and the connections they have."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from l7proxy.server.connection import ClientConnection

if TYPE_CHECKING:
    from ssl import SSLContext

    from l7proxy.server.service import Service

BACKLOG = 4096
_FOR_EVER = 86400.0


class Listener:
    """Accepts connections on any number of sockets; `service` is what their requests get."""

    def __init__(self, loop: asyncio.AbstractEventLoop, service: Service) -> None:
        self.loop = loop
        self.time = loop.time
        self.service = service
        self.connections: set[ClientConnection] = set()
        self.draining = False
        """Whether each response is its connection's last."""
        self._servers: list[asyncio.Server] = []
        self._idle: asyncio.Event | None = None

    async def listen(self, sock: socket.socket, tls: SSLContext | None = None) -> None:
        """Accepts what comes to a bound socket, under TLS where there is a context for it."""
        if sock.family == socket.AF_UNIX:
            server = await self.loop.create_unix_server(self._protocol, sock=sock, backlog=BACKLOG)
        else:
            server = await self.loop.create_server(
                self._protocol,
                sock=sock,
                backlog=BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else self.service.timeouts.head,
                # Until then at most; the connection sees to clients that take nothing.
                ssl_shutdown_timeout=None if tls is None else _FOR_EVER,
            )
        self._servers.append(server)

    def _protocol(self) -> ClientConnection:
        return ClientConnection(self)

    def lost(self, connection: ClientConnection) -> None:
        """Forgets a connection that is gone."""
        self.connections.discard(connection)
        if self._idle is not None and not self.connections:
            self._idle.set()

    def sweep(self, now: float) -> None:
        """Deals with clients that are overdue at `now`; call it about once a second."""
        for connection in [c for c in self.connections if c.timer.deadline < now]:
            connection.overdue()

    async def drain(self, timeout: float) -> None:
        """Accepts nothing more, and waits for what is in flight for at most `timeout` seconds."""
        self.draining = True
        for server in self._servers:
            server.close()
        self._idle = asyncio.Event()
        for connection in list(self.connections):
            connection.drain()
        if self.connections:
            try:
                await asyncio.wait_for(self._idle.wait(), timeout)
            except TimeoutError:
                for connection in list(self.connections):
                    connection.abort()
