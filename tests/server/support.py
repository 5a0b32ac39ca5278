"""Real sockets on loopback: a proxy, backends that say what a test wants, clients that see bytes.

Nobody sleeps: every wait is for bytes, for an end of a connection, or for a condition that a
callback brings about, under one timeout for the whole conversation.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from l7proxy.core.config import config_from
from l7proxy.server.loop import new_event_loop
from l7proxy.server.server import Server, bind

PATIENCE = 15.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def conversation(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an async test on a loop of its own, once on uvloop and once on asyncio's own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        for fast in (True, False):
            loop = new_event_loop(fast=fast)
            try:
                loop.run_until_complete(asyncio.wait_for(test(*arguments, **named), PATIENCE))
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

    return run


Script = Callable[["BackendTalk"], Awaitable[None]]


class BackendTalk:
    """One connection that a backend accepted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next request head; b"" where the connection ended instead."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def read(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        return await self.reader.read()

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


def held(release: asyncio.Event) -> Script:
    """A script that answers one request, once it is released."""

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await release.wait()
        await talk.say(OK)

    return script


class FakeBackend:
    """Accepts connections and lets a script talk on each; counts and remembers."""

    def __init__(self, script: Script | None = None) -> None:
        self._script = script or self.answers(OK)
        self.accepted = 0
        self.heads: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    def answers(self, *responses: bytes) -> Script:
        """A script that answers every request with the next response, the last one for ever."""

        async def script(talk: BackendTalk) -> None:
            while head := await talk.head():
                self.heads.append(head)
                index = min(len(self.heads), len(responses)) - 1
                await talk.say(responses[index])

        return script

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self._server = await asyncio.start_server(self._accept, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

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


class Client:
    """A client that says bytes and hears bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def read(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def until_close(self) -> bytes:
        """Everything until the proxy closes."""
        try:
            return await self.reader.read()
        except BrokenPipeError:
            # It went on talking after it was hung up on: what it had heard by then counts.
            return bytes(self.reader._buffer)  # type: ignore[attr-defined]

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

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Closes such that the proxy can't take it for the end of one direction only."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


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

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    def pool(self, name: str = "api") -> Any:
        return self.server.service.proxy.pools[name]

    @property
    def in_flight(self) -> int:
        pools = self.server.service.proxy.pools.values()
        return sum(backend.in_flight for pool in pools for backend in pool.backends)


def pool_config(*backends: FakeBackend | str, **settings: Any) -> dict[str, Any]:
    """A pool of these backends, spoken to over HTTP."""
    addresses = [b.address if isinstance(b, FakeBackend) else b for b in backends]
    return {"backends": addresses, "upstream": "http", **settings}


@asynccontextmanager
async def serving(
    *backends: FakeBackend | str,
    server: dict[str, Any] | None = None,
    secrets: Callable[[str, str], bytes] | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A proxy with one pool, `api`, of these backends; the backends are started, too."""
    started = [backend for backend in backends if isinstance(backend, FakeBackend)]
    for backend in started:
        if not backend.port:
            await backend.start()
    config = {"backend_pools": {"api": pool_config(*backends, **settings)}}
    if server is not None:
        config["server"] = server
    log: list[str] = []
    loop = asyncio.get_running_loop()
    running = Server(config_from(config), Random(0), loop, log.append, secrets)
    running.listener.time = clock = Clock(loop)
    sock = bind("127.0.0.1:0")
    await running.start([sock])
    proxy = Running(running, sock.getsockname()[1], log, clock)
    try:
        yield proxy
    finally:
        for client in proxy.clients:
            if client.writer.transport.get_write_buffer_size():
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


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until the condition holds."""
    while not condition():
        await asyncio.sleep(0)
