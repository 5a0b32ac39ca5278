"""Clients that send one request after the other and wait for no answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from l7proxy.server.read_ahead import MAX_PENDING

from .support import OK, Client, FakeBackend, conversation, serving, until

NOWHERE = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
THERE = b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"GET /api HTTP/1.1\r\nHost: a\r\nX-Large: %b\r\n\r\n" % (b"x" * 4000)
SIMULATED: dict[str, Any] = {"upstream": "simulated"}
A_READ = 256 * 1024
"""Bytes that a loop reads at most at a time."""


async def answers(client: Client, count: int) -> list[bytes]:
    return [(await client.response())[9:12] for _ in range(count)]


@pytest.mark.parametrize("request_", [NOWHERE, THERE], ids=["an error page", "a simulated answer"])
def test_others_are_answered_while_a_client_sends_requests_without_an_end(request_: bytes) -> None:
    @conversation
    async def talk() -> None:
        async with serving("a:1", **SIMULATED) as proxy:
            flood = await proxy.connect()
            count = 2 * A_READ // len(request_)
            flood.writer.write(request_ * count)
            connection = await proxy.connection()
            await until(lambda: connection.read_ahead)
            came = connection.read_ahead
            other = await proxy.connect()
            assert (await other.get()).startswith(b"HTTP/1.1 200 ")
            assert came - connection.read_ahead < came // 2
            assert set(await answers(flood, count)) == {b"404" if request_ is NOWHERE else b"200"}

    talk()


@conversation
async def test_requests_that_are_answered_by_the_proxy_and_by_backends_are_answered_in_order() -> (
    None
):
    async with serving(FakeBackend()) as proxy:
        client = await proxy.connect()
        await client.say((NOWHERE * 3 + THERE * 2) * 30)
        assert await answers(client, 150) == ([b"404"] * 3 + [b"200"] * 2) * 30


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "reads late"])
def test_what_a_client_pipelines_to_a_backend_is_read_as_far_as_there_is_room(
    reads: bool,
) -> None:
    @conversation
    async def talk() -> None:
        large = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + bytes(10000)
        backend = FakeBackend(answers=[OK if reads else large])
        async with serving(backend, narrow=not reads) as proxy:
            client = await proxy.connect(narrow=not reads)
            count = 1000 if reads else 250
            client.writer.write(LARGE * count)
            connection = await proxy.connection()
            for _ in range(count):
                if not reads:
                    client.stop_reading()
                    await client.stands_still()
                    client.read_on()
                await client.response()
                assert connection.read_ahead <= MAX_PENDING + A_READ

    talk()


@conversation
async def test_a_client_that_ends_behind_its_requests_gets_all_answers() -> None:
    async with serving("a:1", **SIMULATED) as proxy:
        client = await proxy.connect()
        await client.say(THERE * 1000)
        client.writer.write_eof()
        heard = await client.until_close()
        assert heard.count(b"HTTP/1.1 200 ") == 1000


@conversation
async def test_a_head_that_has_not_come_to_its_end_is_waited_for_behind_others() -> None:
    async with serving("a:1", **SIMULATED, server={"limits": {"head": 400_000}}) as proxy:
        client = await proxy.connect()
        large = b"GET /api HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 300_000)
        client.writer.write(NOWHERE * 5000 + large)
        assert set(await answers(client, 5000)) == {b"404"}
        assert await answers(client, 1) == [b"200"]


@conversation
async def test_a_client_is_not_overdue_while_its_requests_wait_for_their_turn() -> None:
    async with serving("a:1", **SIMULATED) as proxy:
        client = await proxy.connect()
        await client.say(NOWHERE * 1000)
        connection = await proxy.connection()
        await until(lambda: connection.read_ahead)
        proxy.overdue(10_000)
        assert set(await answers(client, 1000)) == {b"404"}


@conversation
async def test_whoever_is_refused_and_goes_on_sending_has_a_share_of_a_turn() -> None:
    async with serving("a:1", **SIMULATED) as proxy:
        client = await proxy.connect()
        client.writer.write(b"\0" * 10_000_000)
        assert (await client.head()).startswith(b"HTTP/1.1 400 ")
        other = await proxy.connect()
        assert (await other.get()).startswith(b"HTTP/1.1 200 ")
        await until(lambda: not client.unsent)


@conversation
async def test_the_requests_of_a_client_that_is_gone_are_not_begun() -> None:
    async with serving("a:1", **SIMULATED) as proxy:
        client = await proxy.connect()
        await client.say(THERE * 5000)
        connection = await proxy.connection()
        await until(lambda: connection.read_ahead)
        client.reset()
        await until(lambda: not proxy.server.listener.connections)
        left = connection.read_ahead
        for _ in range(10):
            await asyncio.sleep(0)
        assert connection.read_ahead == left > 0
