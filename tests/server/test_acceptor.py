"""Accepting clients, and what happens where there are too few descriptors."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from l7proxy.server.acceptor import Acceptor, raise_limit
from l7proxy.server.server import bind

from .descriptors import at_most, lowest_free, none_left
from .support import Client, FakeBackend, conversation, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Greeter(asyncio.Protocol):
    """Says hello."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(b"hello")


class Accepting:
    """An acceptor, and clients that have their descriptors before they connect."""

    def __init__(self, clients: int) -> None:
        self.log: list[str] = []
        self._sock = bind("127.0.0.1:0")
        self._port = self._sock.getsockname()[1]
        self._clients = [socket.socket() for _ in range(clients)]

    @contextmanager
    def start(self) -> Iterator[None]:
        acceptor = Acceptor(asyncio.get_running_loop(), self._sock, Greeter, self.log.append)
        acceptor.start()
        try:
            yield
        finally:
            acceptor.close()

    async def connect(self) -> Client:
        sock = self._clients.pop()
        # The kernel takes it, whoever accepts it later.
        sock.connect(("127.0.0.1", self._port))
        sock.setblocking(False)
        return await Client.to(sock=sock)


@conversation
async def test_clients_wait_for_descriptors_and_that_is_said_once() -> None:
    accepting = Accepting(clients=4)
    with accepting.start():
        for _ in range(2):
            with none_left():
                clients = [await accepting.connect() for _ in range(2)]
                await until(lambda: accepting.log)
            for client in clients:
                assert await client.read(5) == b"hello"
                client.close()
    (line,) = accepting.log
    assert line.startswith("descriptors are short (ulimit -n is ")


@conversation
async def test_some_descriptors_are_left_to_backends() -> None:
    accepting = Accepting(clients=9)
    # Half of them: two or three can be accepted, and each that goes makes room for another.
    limit = (lowest_free() + 2) * 2
    with at_most(limit), accepting.start():
        clients = [await accepting.connect() for _ in range(9)]
        await until(lambda: accepting.log)
        assert lowest_free() <= limit // 2 + 1
        for client in clients:
            assert await client.read(5) == b"hello"
            client.close()
    assert len(accepting.log) == 1


@conversation
async def test_no_backend_is_to_blame_for_our_lack_of_descriptors() -> None:
    settings: dict[str, Any] = {
        "breaker": {"failures": 1},
        "ejection": {"consecutive_failures": 1},
    }
    async with serving(FakeBackend(), **settings) as proxy:
        client = await proxy.connect()
        await proxy.connections()
        with none_left():
            answer = await client.get()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b": the proxy can't open another connection now\n")
        assert proxy.pool().backends[0].failures == 0
        assert (await client.get()).endswith(b"ok")


def test_as_many_descriptors_are_allowed_as_may_be() -> None:
    with at_most(lowest_free() + 10):
        raise_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == hard
