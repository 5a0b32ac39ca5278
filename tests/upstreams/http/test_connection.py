"""Connections to backends: attempts that another takes the place of, and tunnels."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from l7proxy.server.read_ahead import MAX_PENDING
from l7proxy.upstreams.http.connection import BackendConnection
from tests.server.support import (
    HALF_CLOSED,
    OK,
    BackendTalk,
    Client,
    FakeBackend,
    Running,
    conversation,
    serving,
    until,
)

BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


@pytest.mark.parametrize(("refusal", "is_used_again"), [
    (BUSY, True),
    (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", True),
    (BUSY[:-2], False),
    (BUSY + b"HTTP", False),
    (b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy", False),
    (b"HTTP/1.1 503 Busy\r\n\r\n", False),
])  # fmt: skip
def test_a_response_that_is_tried_again_elsewhere_is_never_heard_of(
    refusal: bytes, is_used_again: bool
) -> None:
    @conversation
    async def talk() -> None:
        busy, free = FakeBackend(answers=[refusal]), FakeBackend()
        retries = {"retry_on": [503], "budget_min": 100}
        async with serving(busy, free, retries=retries) as proxy:
            client = await proxy.connect()
            for _ in range(4):
                assert (await client.get()).endswith(b"ok")
                assert proxy.in_flight == 0
        assert (len(busy.heads), len(free.heads)) == (2, 4)
        assert (busy.accepted == 1, free.accepted) == (is_used_again, 1)

    talk()


@conversation
async def test_the_rest_of_a_body_is_not_sent_where_the_answer_came_before_it() -> None:
    heard: list[bytes] = []

    async def hasty(talk: BackendTalk) -> None:
        await talk.head()
        heard.append(await talk.read(3))
        await talk.say(BUSY)
        heard.append(await talk.rest())

    async def patient(talk: BackendTalk) -> None:
        await talk.head()
        heard.append(await talk.read(6))
        await talk.say(OK)

    retries = {"retry_on": [503]}
    async with serving(FakeBackend(hasty), FakeBackend(patient), retries=retries) as proxy:
        client = await proxy.connect()
        await client.say(b"PUT /api HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        await until(lambda: heard == [b"abc", b""])
        await client.say(b"def")
        assert (await client.response()).endswith(b"ok")
        assert proxy.in_flight == 0
    assert heard == [b"abc", b"", b"abcdef"]


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("answer", "passed", "is_used_again"), [
    (NO_CONTENT + b"\r\n", NO_CONTENT, True),
    (NO_CONTENT + b"Content-Length: 0\r\n\r\n", NO_CONTENT, True),
    (NO_CONTENT + b"Content-Length: 2\r\n\r\n", NO_CONTENT, False),
    (NO_CONTENT + b"Content-Length: 2\r\n\r\nhi", NO_CONTENT, False),
    (NO_CONTENT + CHUNKED, NO_CONTENT, False),
    (NO_CONTENT + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", NO_CONTENT, False),
    (b"HTTP/1.1 103 Early\r\n" + CHUNKED + NO_CONTENT + b"\r\n", b"HTTP/1.1 103 Early\r\n", False),
    (b"HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" + OK, b"HTTP/1.1 103 Early\r\n", False),
])  # fmt: skip
def test_a_response_without_content_ends_with_its_head_and_is_asked_for_once(
    answer: bytes, passed: bytes, is_used_again: bool
) -> None:
    @conversation
    async def talk() -> None:
        backends = [FakeBackend(answers=[answer]) for _ in range(3)]
        async with serving(*backends) as proxy:
            for nth in range(6):
                client = await proxy.connect()
                await client.say(b"DELETE /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
                head = await client.head()
                assert head.startswith(passed)
                assert b"Content-Length" not in head
                assert b"Transfer-Encoding" not in head
                assert sum(len(backend.heads) for backend in backends) == nth + 1
            assert [backend.failures for backend in proxy.pool().backends] == [0, 0, 0]
        assert [backend.accepted for backend in backends] == ([1] * 3 if is_used_again else [2] * 3)

    talk()


@pytest.mark.parametrize(("answer", "http", "status"), [
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", {}, 200),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", {"strict_backends": True}, 502),
    (b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", {}, 200),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n", {}, 200),
    (b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok", {"strict_backends": True}, 999),
    (b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n", {"limits": {"fields": 2}}, 200),
    (b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", {"limits": {"fields": 2}}, 502),
    (b"HTTP/1.1 200 OK\r\nA: %b\r\n\r\n" % (100 * b"x"), {"limits": {"head": 128}}, 200),
    (b"HTTP/1.1 200 OK\r\nA: %b\r\n\r\n" % (110 * b"x"), {"limits": {"head": 128}}, 502),
    (b"HTTP/1.1 200 OK\r\nA: %b\r\n\r\n" % (40_000 * b"x"), {"limits": {"head": 65536}}, 200),
])  # fmt: skip
def test_what_of_a_response_is_taken_is_configured(
    answer: bytes, http: dict[str, Any], status: int
) -> None:
    @conversation
    async def talk() -> None:
        async def script(talk: BackendTalk) -> None:
            await talk.head()
            await talk.say(answer)

        async with serving(FakeBackend(script), http=http, retries={"attempts": 1}) as proxy:
            client = await proxy.connect()
            assert (await client.get()).startswith(b"HTTP/1.1 %d " % status)

    talk()


class Writes(list[bytes]):
    """A transport that keeps what it is given in each call."""

    write = list.append

    def get_extra_info(self, name: str) -> None:
        """There is nothing to tell."""


@conversation
async def test_a_chunk_goes_out_in_one_write_unless_it_is_large() -> None:
    async with serving(FakeBackend()) as proxy:
        (pool,) = proxy.server.service.connections
        connection, writes = BackendConnection(pool), Writes()
        connection.connection_made(writes)  # type: ignore[arg-type]
        connection.body_data((b"3\r\n", memoryview(b"abc"), b"\r\n"))
        connection.body_data((b"9000\r\n", bytes(0x9000), b"\r\n"))
        assert writes == [b"3\r\nabc\r\n", b"9000\r\n", bytes(0x9000), b"\r\n"]
        pool.lost(connection)


# Tunnels.

MIB = 1 << 20
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n"
UPGRADE = b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"


class Tunnel:
    """A backend that turns a connection into a tunnel when it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self.open: asyncio.Future[BackendTalk] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.backend = FakeBackend(self._script)

    async def _script(self, talk: BackendTalk) -> None:
        await talk.head()
        self.asked.set()
        await self.let.wait()
        await talk.say(SWITCH)
        self.open.set_result(talk)
        await self.over.wait()

    async def enter(self, proxy: Running) -> tuple[Client, BackendTalk]:
        """Both ends of a tunnel."""
        self.let.set()
        client = await proxy.connect()
        await client.say(UPGRADE)
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        return client, await self.open


@pytest.mark.parametrize("size", [100, 4 * MIB])
def test_what_a_client_says_before_the_tunnel_is_there_goes_through_it_first(size: int) -> None:
    @conversation
    async def talk() -> None:
        tunnel = Tunnel()
        async with serving(tunnel.backend, server=HALF_CLOSED) as proxy:
            client = await proxy.connect()
            said = bytes(range(250)) * (size // 250)
            client.writer.write(UPGRADE + said)
            client.writer.write_eof()
            await tunnel.asked.wait()
            (connection,) = proxy.server.listener.connections
            # What is more than it reads ahead has to wait, and the end behind it.
            await until(lambda: connection.finished or connection.read_ahead > MAX_PENDING)
            assert connection.finished is (size < MAX_PENDING)
            tunnel.let.set()
            backend = await tunnel.open
            assert await backend.rest() == said
            await backend.say(b"bye")
            tunnel.over.set()
            assert (await client.until_close()).endswith(b"\r\n\r\nbye")
            await until(lambda: proxy.in_flight == 0)

    talk()


@pytest.mark.parametrize("sender", ["client", "backend"])
def test_a_tunnel_takes_no_more_than_the_other_end_reads(sender: str) -> None:
    @conversation
    async def talk() -> None:
        tunnel = Tunnel()
        async with serving(tunnel.backend) as proxy:
            ends = await tunnel.enter(proxy)
            one, other = ends if sender == "client" else reversed(ends)
            reading = cast("asyncio.Transport", other.writer.transport)
            reading.pause_reading()
            one.writer.write(bytes(64 * MIB))
            await until(lambda: one.writer.transport.get_write_buffer_size() < 63 * MIB)
            left = -1
            while left != one.writer.transport.get_write_buffer_size():
                left = one.writer.transport.get_write_buffer_size()
                await everything_there_is_to_do()
            assert left > 16 * MIB
            reading.resume_reading()
            assert await other.read(64 * MIB) == bytes(64 * MIB)
            tunnel.over.set()

    talk()


async def everything_there_is_to_do() -> None:
    for _ in range(200):
        await until(lambda: True)
