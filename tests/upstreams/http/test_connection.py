"""Connections to backends: attempts that another takes the place of, and tunnels."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from l7proxy.server.read_ahead import MAX_PENDING
from tests.server.support import (
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
        async with serving(tunnel.backend) as proxy:
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
