"""Accepts connections on one socket, while there are descriptors for them.

An event loop's own server goes on in vain when there are none left, or takes clients and drops
them. This one lets them wait in the kernel, and leaves some descriptors to the connections to
backends, without which nobody could be answered.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from l7proxy.upstreams.exhaustion import is_exhausted

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

AT_ONCE = 64
"""Connections that are accepted before others have their turn."""
PAUSE = 0.1
"""Seconds until it is looked again whether there are descriptors."""
QUIET = 60.0
"""Seconds without a shortage after which the next one is told of."""
_FOR_CLIENTS = 0.5
"""The share of all descriptors up to which clients are accepted: each may need a backend."""


def raise_limit() -> None:
    """Allows this process, and those that it starts, as many descriptors as it may allow itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_descriptors() -> int:
    """Returns how many descriptors this process may have; a very large number for any number."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit if limit > 0 else sys.maxsize


class Acceptor:
    """Accepts on a socket that does not block and listens, from `start` to `close`.

    `make` makes the protocol of each connection, and `log` is told of a shortage, once. With TLS a
    handshake may take `handshake` seconds, and closing takes as long as the protocol lets it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        make: Callable[[], asyncio.Protocol],
        log: Callable[[str], None],
        *,
        tls: ssl.SSLContext | None = None,
        handshake: float | None = None,
        shutdown: float | None = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._make = make
        self._log = log
        self._tls = tls
        self._handshake = handshake
        self._shutdown = shutdown
        self._beginning: set[asyncio.Task[None]] = set()
        """Connections that are not the protocol's yet."""
        self._limit = most_descriptors()
        self._most = self._limit * _FOR_CLIENTS
        """Descriptors are the lowest free numbers: from this one on they are few."""
        self._short_at = -inf
        self._resuming: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to accept."""
        self._loop.add_reader(self._sock, self._accept)

    def close(self) -> None:
        """Accepts those who have come, and no more; closes the socket."""
        if self._resuming is None:
            self._accept()
        if self._resuming is not None:
            self._resuming.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _accept(self) -> None:
        """Accepts those who wait, or some of them."""
        for _ in range(AT_ONCE):
            try:
                accepted, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if not is_exhausted(error):
                    raise
                self._pause()
                return
            accepted.setblocking(False)
            task = self._loop.create_task(self._begin(accepted))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
            if accepted.fileno() >= self._most:
                self._pause()
                return

    async def _begin(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake,
                ssl_shutdown_timeout=self._shutdown,
            )
        except OSError:
            # It is gone already, or speaks no TLS.
            accepted.close()

    def _pause(self) -> None:
        """Lets clients wait for a while."""
        now = self._loop.time()
        if now - self._short_at > QUIET:
            self._log(f"descriptors are short (ulimit -n is {self._limit}): new clients wait")
        self._short_at = now
        self._loop.remove_reader(self._sock)
        self._resuming = self._loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        """Goes on if there are descriptors again."""
        try:
            lowest = os.dup(self._sock.fileno())
        except OSError:
            self._pause()
            return
        os.close(lowest)
        if lowest >= self._most:
            self._pause()
            return
        self._resuming = None
        self._loop.add_reader(self._sock, self._accept)
