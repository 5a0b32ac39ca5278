"""Bodies in so many small chunks that one read of them is too much for a turn of the loop."""

from __future__ import annotations

import asyncio

import pytest

from .support import (
    HALF_CLOSED,
    BackendTalk,
    Client,
    FakeBackend,
    conversation,
    serving,
    until,
)

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
COUNT = 40_000
CHUNKS = b"1\r\nx\r\n" * COUNT
END = b"0\r\n\r\n"
NEXT = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n"


async def body_of(end: Client | BackendTalk) -> bytes:
    """The payload of a body in chunks."""
    payload = b""
    while size := int(await end.reader.readline(), 16):
        payload += await end.read(size)
        await end.read(2)
    await end.read(2)
    return payload


@pytest.mark.parametrize("behind", [b"", NEXT * 3], ids=["nothing", "requests"])
def test_a_request_passes_whatever_is_behind_it(behind: bytes) -> None:
    @conversation
    async def talk() -> None:
        heard: list[bytes] = []

        async def script(talk: BackendTalk) -> None:
            await talk.head()
            heard.append(await body_of(talk))
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        async with serving(FakeBackend(script), server=HALF_CLOSED) as proxy:
            client = await proxy.connect()
            client.writer.write(b"POST /api HTTP/1.1\r\nHost: a\r\n" + CHUNKED + CHUNKS + END)
            client.writer.write(behind)
            client.writer.write_eof()
            said = await client.until_close()
            assert said.startswith(b"HTTP/1.1 200 ")
            assert said.count(b"HTTP/1.1 404 ") == behind.count(NEXT)
            assert proxy.in_flight == 0
        assert heard == [b"x" * COUNT]

    talk()


@conversation
async def test_a_request_that_breaks_off_in_its_body_is_given_up() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.rest()

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        client.writer.write(b"POST /api HTTP/1.1\r\nHost: a\r\n" + CHUNKED + CHUNKS)
        await until(lambda: proxy.in_flight)
        client.writer.write_eof()
        assert await client.until_close() == b""
        await until(lambda: proxy.in_flight == 0)


@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
def test_a_response_passes(closes: bool) -> None:
    @conversation
    async def talk() -> None:
        async def script(talk: BackendTalk) -> None:
            while await talk.head():
                close = b"Connection: close\r\n" if closes else b""
                await talk.say(b"HTTP/1.1 200 OK\r\n" + close + CHUNKED + CHUNKS + END)
                if closes:
                    break

        backend = FakeBackend(script)
        async with serving(backend, narrow=True) as proxy:
            client = await proxy.connect()
            for _ in range(3):
                await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
                await client.head()
                assert await body_of(client) == b"x" * COUNT
            assert proxy.in_flight == 0
        assert backend.accepted == (3 if closes else 1)

    talk()


@conversation
async def test_a_response_that_turns_out_bad_on_its_way_breaks_off() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\n" + CHUNKED + CHUNKS + b"none\r\n")
        await talk.rest()

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        heard = await client.until_close()
        assert heard.startswith(b"HTTP/1.1 200 ") and not heard.endswith(END)
        assert proxy.in_flight == 0


@pytest.mark.parametrize("by", ["a client", "a backend"])
def test_others_are_answered_meanwhile(by: str) -> None:
    @conversation
    async def talk() -> None:
        passed = 0
        over = asyncio.Event()

        async def script(talk: BackendTalk) -> None:
            nonlocal passed
            if (await talk.head()).startswith(b"GET /api/x"):
                await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                return
            if by == "a backend":
                await talk.say(b"HTTP/1.1 200 OK\r\n" + CHUNKED + CHUNKS)
            while not over.is_set() and (data := await talk.reader.read(100_000)):
                passed += data.count(b"x")

        async with serving(FakeBackend(script)) as proxy:
            flood = await proxy.connect()
            flood.writer.write(b"POST /api HTTP/1.1\r\nHost: a\r\n" + CHUNKED)
            if by == "a client":
                flood.writer.write(CHUNKS)
                await until(lambda: passed)
            else:
                await flood.head()
            other = await proxy.connect()
            assert (await other.get()).endswith(b"ok")
            if by == "a backend":
                passed = (await flood.reader.read(4 * COUNT)).count(b"x")
            assert passed < COUNT
            over.set()

    talk()
