"""Clients that close their side of the connection before they have their answer."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from .support import HALF_CLOSED, OK, BackendTalk, FakeBackend, conversation, held, serving, until

GET = b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n"


class Hanging(FakeBackend):
    """Never answers; knows how many of its connections have ended."""

    def __init__(self, said: bytes = b"") -> None:
        self.left = 0

        async def script(talk: BackendTalk) -> None:
            self.heads.append(await talk.head())
            await talk.say(said)
            await talk.rest()
            self.left += 1

        super().__init__(script)


@pytest.mark.parametrize(("said", "behind", "logged"), [
    (b"", b"", "499 0"),
    # What it has pipelined it waits for as little.
    (b"", GET * 3, "499 0"),
    (b"", b"GET /api HT", "499 0"),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"", "499 0"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun", b"", "200 5"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun", b"", "200 5"),
    (b"HTTP/1.1 200 OK\r\n\r\nbegun", b"", "200 5"),
])  # fmt: skip
def test_a_request_is_cancelled_when_its_client_closes(
    said: bytes, behind: bytes, logged: str
) -> None:
    @conversation
    async def talk() -> None:
        backend = Hanging(said)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "access.log"
            log = {"access_log": {"path": str(file)}}
            async with serving(backend, server=log) as proxy:
                client = await proxy.connect()
                await client.say(GET + behind)
                if said:
                    await client.head()
                else:
                    await until(lambda: backend.heads)
                if said.endswith(b"begun"):
                    await client.reader.readuntil(b"begun")
                client.writer.write_eof()
                assert await client.until_close() in (b"", b"\r\n")
                assert proxy.in_flight == 0
                assert proxy.pool().backends[0].failures == 0
                await until(lambda: backend.left)
            assert len(backend.heads) == 1
            assert re.findall(r'" (\d+ \d+) "', file.read_text()) == [logged]

    talk()


@pytest.mark.parametrize("request_", [
    b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /api HTTP/1.0\r\nHost: a\r\n\r\n",
    b"GET /api HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
])  # fmt: skip
def test_a_client_that_has_said_that_it_would_close_gets_its_answer(request_: bytes) -> None:
    @conversation
    async def talk() -> None:
        release = asyncio.Event()
        async with serving(FakeBackend(held(release))) as proxy:
            client = await proxy.connect()
            await client.say(request_)
            client.writer.write_eof()
            connection = await proxy.connection()
            await until(lambda: connection.finished)
            release.set()
            assert (await client.until_close()).endswith(b"\r\n\r\nok")

    talk()


@conversation
async def test_a_client_that_may_be_half_closed_gets_its_answer() -> None:
    release = asyncio.Event()
    async with serving(FakeBackend(held(release)), server=HALF_CLOSED) as proxy:
        client = await proxy.connect()
        await client.say(GET)
        client.writer.write_eof()
        connection = await proxy.connection()
        await until(lambda: connection.finished)
        release.set()
        assert (await client.until_close()).endswith(b"\r\n\r\nok")


@conversation
async def test_what_a_client_has_left_behind_in_the_queue_is_not_sent() -> None:
    backend = Hanging()
    await backend.start()
    only = {"address": backend.address, "max_connections": 1}
    async with serving(only, queue={"size": 2}) as proxy:
        clients = [await proxy.connect() for _ in range(3)]
        await clients[0].say(GET)
        await until(lambda: backend.heads)
        for client in clients[1:]:
            await client.say(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        queue = proxy.pool().queue
        await until(lambda: len(queue) == 2)
        late = await proxy.connect()
        assert (await late.get()).startswith(b"HTTP/1.1 503 ")
        clients[1].writer.write_eof()
        await until(lambda: len(queue) == 1)
        # There is room again, for the place as in the queue.
        await late.say(GET)
        await until(lambda: len(queue) == 2)
        clients[2].writer.write_eof()
        clients[0].writer.write_eof()
        await until(lambda: len(backend.heads) == 2)
        assert [head.split(b" ")[0] for head in backend.heads] == [b"GET", b"GET"]
        late.writer.write_eof()
        await until(lambda: proxy.in_flight == 0)
    await backend.stop()


@conversation
async def test_a_half_open_circuit_asks_anew_when_the_client_of_its_probe_has_left() -> None:
    fails, answers, hangs = asyncio.Event(), asyncio.Event(), asyncio.Event()
    fails.set()

    async def script(talk: BackendTalk) -> None:
        while await talk.head():
            if fails.is_set():
                await talk.say(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
            elif answers.is_set():
                await talk.say(OK)
            else:
                hangs.set()
                await talk.rest()

    settings: dict[str, Any] = {"breaker": {"failures": 1, "open_time": 0.01, "successes": 1}}
    async with serving(FakeBackend(script), **settings) as proxy:
        client = await proxy.connect()
        assert (await client.get()).startswith(b"HTTP/1.1 500 ")
        fails.clear()
        breaker, backend = proxy.pool().breaker, proxy.pool().backends[0]
        assert breaker is not None
        await until(lambda: breaker.state(backend) == "half-open")
        await client.say(GET)
        await hangs.wait()
        other = await proxy.connect()
        assert (await other.get()).startswith(b"HTTP/1.1 503 ")
        client.writer.write_eof()
        await until(lambda: proxy.in_flight == 0)
        answers.set()
        assert (await other.get()).startswith(b"HTTP/1.1 200 ")
        assert breaker.state(backend) == "closed"
