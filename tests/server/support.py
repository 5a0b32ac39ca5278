"""Real sockets on loopback: a proxy, backends that say what a test wants, clients that see bytes.

Nobody sleeps: every wait is for bytes, for an end of a connection, or for a condition that a
callback brings about, under one timeout for the whole conversation.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, cast

from l7proxy.core.config import config_from
from l7proxy.core.pool.pool import Pool
from l7proxy.server.connection import ClientConnection
from l7proxy.server.loop import new_event_loop
from l7proxy.server.server import Server, bind

TIMEOUT = 15.0
"""Seconds that a conversation may take."""
NARROW = 4096
"""Bytes that the kernel is asked to hold at most: what is sent soon has to wait for its reader."""

HALF_CLOSED = {"half_closed_clients": True}
"""The `server` of a proxy whose clients may say that they will send no more, and be answered."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def conversation(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an async test on a loop of its own, once on uvloop and once on asyncio's own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        for fast in (True, False):
            loop = new_event_loop(fast=fast)
            try:
                loop.run_until_complete(asyncio.wait_for(test(*arguments, **named), TIMEOUT))
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

    return run


class End:
    """One end of a connection: it says bytes and hears bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    def stop_reading(self) -> None:
        """From now on what the other end says stays with it, or on its way."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    def read_on(self) -> None:
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    @property
    def unsent(self) -> int:
        """How many bytes wait to be sent, here and not in the kernel."""
        return self.writer.transport.get_write_buffer_size()

    async def stands_still(self) -> None:
        """Returns once nothing more is taken of what this end says."""
        left = -1
        while left != self.unsent:
            left = self.unsent
            for _ in range(200):
                await asyncio.sleep(0)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Closes such that the other end can't take it for the end of one direction only."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class BackendTalk(End):
    """One connection that a backend accepted."""

    async def head(self) -> bytes:
        """The next request head; b"" where the connection ended instead."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def rest(self) -> bytes:
        return await self.reader.read()


Script = Callable[[BackendTalk], Awaitable[None]]


def held(release: asyncio.Event) -> Script:
    """A script that answers one request, once it is released."""

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await release.wait()
        await talk.say(OK)

    return script


class FakeBackend:
    """Accepts connections and lets a script talk on each; counts and remembers."""

    def __init__(self, script: Script | None = None, *, answers: Sequence[bytes] = (OK,)) -> None:
        """Without a script every request gets the next of `answers`, the last one for ever."""
        self._script = script or self._answer
        self._answers = answers
        self.accepted = 0
        self.heads: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def _answer(self, talk: BackendTalk) -> None:
        while head := await talk.head():
            self.heads.append(head)
            await talk.say(self._answers[min(len(self.heads), len(self._answers)) - 1])

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self._server = await asyncio.start_server(self._accept, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def start_at(self, path: str) -> None:
        """Starts on a unix socket."""
        self._server = await asyncio.start_unix_server(self._accept, path)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._talks[asyncio.current_task()] = writer
        try:
            await self._script(BackendTalk(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            await _closed(writer)
            del self._talks[asyncio.current_task()]

    async def stop(self) -> None:
        """Stops accepting and closes every connection."""
        assert self._server is not None
        self._server.close()
        self.port = 0
        for task, writer in list(self._talks.items()):
            assert task is not None
            writer.transport.abort()
            task.cancel()
        await until(lambda: not self._talks)

    def hang_up(self) -> None:
        """Closes every connection and goes on accepting."""
        for writer in list(self._talks.values()):
            writer.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Heard(asyncio.StreamReader):
    """Takes it for an end when a connection breaks that went on talking to one that hung up."""

    def set_exception(self, exc: Exception) -> None:
        if isinstance(exc, BrokenPipeError):
            self.feed_eof()
        else:
            super().set_exception(exc)


class Client(End):
    """A client's end of a connection."""

    @classmethod
    async def to(cls, **how: Any) -> Client:
        """Connects; `how` are arguments of the loop's `create_connection`."""
        loop = asyncio.get_running_loop()
        reader = _Heard(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, **how)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def until_close(self) -> bytes:
        """Everything until the proxy closes."""
        return await self.reader.read()

    async def response(self) -> bytes:
        """One whole response with a Content-Length."""
        head = await self.head()
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return head + await self.read(int(line.split(b":")[1]))
        return head

    async def get(self, path: str = "/api/x", *fields: str, method: str = "GET") -> bytes:
        """Sends a request without a body and gives the whole response."""
        lines = [f"{method} {path} HTTP/1.1", "Host: example.org", *fields, "", ""]
        await self.say("\r\n".join(lines).encode())
        return await self.response()


class Clock:
    """The loop's time (seconds), `ahead` of which the proxy's listener may be put."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._loop.time() + self.ahead


class Running:
    """A proxy that serves; `clock` is what its clients are timed by."""

    def __init__(self, server: Server, port: int, log: list[str], clock: Clock) -> None:
        self.server = server
        self.clock = clock
        self.port = port
        self.log = log
        self.clients: list[Client] = []

    async def connect(self, *, narrow: bool = False) -> Client:
        """A new client; a `narrow` one is sent little that it has not asked to read."""
        if narrow:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
            client = await Client.to(sock=sock)
        else:
            client = await Client.to(host="127.0.0.1", port=self.port)
        self.clients.append(client)
        return client

    async def connections(self) -> list[ClientConnection]:
        """The proxy's ends of its clients' connections, as soon as there are any."""
        await until(lambda: self.server.listener.connections)
        return list(self.server.listener.connections)

    async def connection(self) -> ClientConnection:
        """The only one."""
        (only,) = await self.connections()
        return only

    def overdue(self, seconds: float) -> None:
        """Lets the proxy look at its deadlines as if so much time had passed."""
        now = self.clock()
        self.server.listener.sweep(now + seconds)
        self.server.pools.sweep(now + seconds)

    def pool(self, name: str = "api") -> Pool:
        return self.server.service.proxy.pools[name]

    @property
    def in_flight(self) -> int:
        pools = self.server.service.proxy.pools.values()
        return sum(backend.in_flight for pool in pools for backend in pool.backends)


def pool_config(*backends: FakeBackend | str | dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A pool of these backends, spoken to over HTTP."""
    addresses = [b.address if isinstance(b, FakeBackend) else b for b in backends]
    return {"backends": addresses, "upstream": "http", **settings}


@asynccontextmanager
async def serving(
    *backends: FakeBackend | str | dict[str, Any],
    narrow: bool = False,
    server: dict[str, Any] | None = None,
    top: dict[str, Any] | None = None,
    secrets: Callable[[str, str], bytes] | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A proxy with one pool, `api`, of these backends; the backends are started, too.

    `server` and what `top` has are written beside that pool. With `narrow` little is on its way to
    its clients that they have not asked to read.
    """
    started = [backend for backend in backends if isinstance(backend, FakeBackend)]
    for backend in started:
        if not backend.port:
            await backend.start()
    config = {"backend_pools": {"api": pool_config(*backends, **settings)}, **(top or {})}
    if server is not None:
        config["server"] = server
    log: list[str] = []
    loop = asyncio.get_running_loop()
    running = Server(config_from(config), Random(0), loop, log.append, secrets)
    running.listener.time = clock = Clock(loop)
    sock = bind("127.0.0.1:0")
    if narrow:
        # Those that it accepts are as it is.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
    await running.start([sock])
    proxy = Running(running, sock.getsockname()[1], log, clock)
    try:
        yield proxy
    finally:
        for client in proxy.clients:
            if client.unsent:
                # What nobody reads would never be gone.
                client.writer.transport.abort()
            await _closed(client.writer)
        running.listener.service.timeouts = running.service.timeouts.replace(drain=0)
        await running.stop()
        for backend in started:
            await backend.stop()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except (ConnectionError, asyncio.CancelledError):
        pass


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def until(condition: Callable[[], object]) -> None:
    """Lets the loop run until the condition holds."""
    while not condition():
        await asyncio.sleep(0)
