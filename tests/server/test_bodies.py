"""Bodies in both directions: framing, replay, limits, flow."""

from __future__ import annotations

import asyncio

import pytest

from l7proxy.server.client_timer import NOTHING, READ

from .support import OK, BackendTalk, FakeBackend, conversation, free_port, serving, until

MIB = 1 << 20


async def echo(talk: BackendTalk) -> None:
    """Answers with the request's body, framed by Content-Length."""
    while head := await talk.head():
        body = await body_of(talk, head)
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def body_of(talk: BackendTalk, head: bytes) -> bytes:
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        body = b""
        while size := int(await talk.reader.readline(), 16):
            body += await talk.read(size)
            await talk.read(2)
        await talk.reader.readline()
        return body
    for line in lower.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await talk.read(int(line.split(b":")[1]))
    return b""


def post(body: bytes, *fields: bytes) -> bytes:
    lines = [b"POST /api/x HTTP/1.1", b"Host: a", *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@conversation
async def test_a_body_with_a_length_is_passed_on_in_one_piece_and_byte_by_byte() -> None:
    async with serving(FakeBackend(echo)) as proxy:
        client = await proxy.connect()
        await client.say(post(b"hello"))
        assert (await client.response()).endswith(b"\r\n\r\nhello")
        for byte in post(b"hello"):
            await client.say(bytes([byte]))
        assert (await client.response()).endswith(b"\r\n\r\nhello")


@conversation
async def test_a_chunked_body_is_passed_on_in_chunks_with_its_trailers() -> None:
    got: list[bytes] = []

    async def script(talk: BackendTalk) -> None:
        got.append(await talk.head())
        got.append(await talk.reader.readuntil(b"0\r\nX-Sum: 7\r\n\r\n"))
        await talk.say(OK)

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(
            b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        assert (await client.response()).endswith(b"ok")
    assert b"transfer-encoding: chunked\r\n" in got[0].lower()
    assert b"content-length" not in got[0].lower()
    assert got[1] == b"5\r\nabcde\r\n0\r\nX-Sum: 7\r\n\r\n"


@conversation
async def test_a_chunked_response_reaches_the_client_in_chunks() -> None:
    response = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n"
    )
    backend = FakeBackend(answers=[response])
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for _ in range(2):
            await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"Transfer-Encoding: chunked" in await client.head()
            body = await client.reader.readuntil(b"0\r\nX-T: 1\r\n\r\n")
            assert body == b"b\r\nhello world\r\n0\r\nX-T: 1\r\n\r\n"
    assert backend.accepted == 1


@conversation
async def test_an_http_1_0_client_gets_the_chunks_content_until_the_connection_closes() -> None:
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    backend = FakeBackend(answers=[response])
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.0\r\n\r\n")
        head, _, body = (await client.until_close()).partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert b"chunked" not in head
    assert body == b"hello"
    assert b"\r\nHost: 127.0.0.1:" in backend.heads[0]


@conversation
async def test_a_body_until_close_is_chunked_for_the_client_which_stays_connected() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\nhello")

    backend = FakeBackend(script)
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for _ in range(2):
            await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"Transfer-Encoding: chunked" in await client.head()
            assert await client.reader.readuntil(b"0\r\n\r\n") == b"5\r\nhello\r\n0\r\n\r\n"
    assert backend.accepted == 2


@conversation
async def test_responses_without_a_body_end_with_their_head() -> None:
    backend = FakeBackend(
        answers=[
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
            OK,
        ]
    )
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for request in (b"HEAD", b"GET", b"GET"):
            await client.say(b"%b /api HTTP/1.1\r\nHost: a\r\n\r\n" % request)
            await client.head()
        assert (await client.get()).endswith(b"ok")
    assert backend.accepted == 1


@conversation
async def test_a_large_body_streams_both_ways() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        assert await talk.read(8 * MIB) == bytes(8 * MIB)
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 * MIB))
        await talk.say(bytes(8 * MIB))

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(post(bytes(8 * MIB)))
        assert await client.head()
        assert await client.read(8 * MIB) == bytes(8 * MIB)


@conversation
async def test_a_client_that_does_not_read_stops_the_backend() -> None:
    sent = 0

    async def script(talk: BackendTalk) -> None:
        nonlocal sent
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        while sent < 64 * MIB:
            await talk.say(bytes(MIB))
            sent += MIB

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        client.stop_reading()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        connection = await proxy.connection()
        await until(lambda: connection.turn is READ)
        before = -1
        while before != sent:
            before = sent
            for _ in range(200):
                await until(lambda: True)
        assert sent < 48 * MIB
        client.read_on()
        await client.head()
        assert len(await client.read(64 * MIB)) == 64 * MIB


@conversation
async def test_a_backend_that_does_not_read_stops_the_client() -> None:
    release = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        talk.stop_reading()
        await release.wait()
        talk.read_on()
        await talk.read(64 * MIB)
        await talk.say(OK)

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        client.writer.write(post(bytes(64 * MIB)))
        connection = await proxy.connection()
        await until(lambda: connection.turn is NOTHING)
        body = connection.request.body
        assert body is not None and body.size < 48 * MIB
        release.set()
        assert (await client.response()).endswith(b"ok")


@conversation
async def test_a_small_body_is_sent_again_to_another_backend_and_a_large_one_is_not() -> None:
    async def hangs_up(talk: BackendTalk) -> None:
        head = await talk.head()
        await body_of(talk, head)

    async def put(size: int) -> bytes:
        async with serving(FakeBackend(hangs_up), FakeBackend(echo)) as proxy:
            client = await proxy.connect()
            body = bytes(size)
            await client.say(
                b"PUT /api HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
            )
            response = await client.response()
            assert proxy.in_flight == 0
            return response

    assert (await put(60_000)).startswith(b"HTTP/1.1 200 ")
    assert (await put(3_000_000)).startswith(b"HTTP/1.1 502 ")


@conversation
async def test_a_refused_connection_is_tried_elsewhere_for_any_method() -> None:
    async with serving(f"http://127.0.0.1:{free_port()}", FakeBackend(echo)) as proxy:
        client = await proxy.connect()
        for _ in range(4):
            await client.say(post(b"hello"))
            assert (await client.response()).endswith(b"hello")


@conversation
async def test_expect_100_continue_is_answered_and_not_passed_on() -> None:
    async with serving(FakeBackend(echo)) as proxy:
        client = await proxy.connect()
        await client.say(
            b"POST /api HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.say(b"hello")
        assert (await client.response()).endswith(b"hello")


@conversation
async def test_a_request_that_is_refused_gets_no_100() -> None:
    async with serving(FakeBackend(echo)) as proxy:
        client = await proxy.connect()
        await client.say(
            b"POST /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        answer = await client.until_close()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"Connection: close" in answer


@conversation
async def test_a_body_beyond_the_limit_is_answered_413() -> None:
    async with serving(FakeBackend(echo), server={"limits": {"body": 10}}) as proxy:
        client = await proxy.connect()
        await client.say(post(b"x" * 11))
        assert (await client.until_close()).startswith(b"HTTP/1.1 413 ")
        chunked = b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        client = await proxy.connect()
        await client.say(chunked + b"b\r\nxxxxxxxxxxx\r\n")
        assert (await client.until_close()).startswith(b"HTTP/1.1 413 ")
        client = await proxy.connect()
        await client.say(chunked)
        await client.say(b"8\r\nxxxxxxxx\r\n")
        await until(lambda: proxy.in_flight == 1)
        await client.say(b"8\r\nxxxxxxxx\r\n")
        assert (await client.until_close()).startswith(b"HTTP/1.1 413 ")
        assert proxy.in_flight == 0


@conversation
async def test_a_bad_chunk_in_the_middle_is_answered_400_and_the_backend_is_let_go() -> None:
    async with serving(FakeBackend(echo)) as proxy:
        client = await proxy.connect()
        await client.say(b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.say(b"3\r\nabc\r\n")
        await until(lambda: proxy.in_flight == 1)
        await client.say(b"zz\r\n")
        assert (await client.until_close()).startswith(b"HTTP/1.1 400 ")
        assert proxy.in_flight == 0


@conversation
async def test_an_early_answer_is_passed_on_and_both_connections_close() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await talk.rest()

    backend = FakeBackend(script)
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.say(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbegun")
        answer = await client.until_close()
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"Connection: close" in answer
        assert answer.endswith(b"no")
        assert proxy.in_flight == 0


TOO_LARGE = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"


@pytest.mark.parametrize(("before", "last", "heard", "failures"), [
    (b"", TOO_LARGE, b"HTTP/1.1 413 ", 0),
    (TOO_LARGE[:20], TOO_LARGE[20:], b"HTTP/1.1 413 ", 0),
    (TOO_LARGE[:-3], TOO_LARGE[-3:], b"HTTP/1.1 413 ", 0),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"big", b"HTTP/1.1 200 ", 0),
    (b"", TOO_LARGE[:20], b"HTTP/1.1 502 ", 1),
    (b"", b"", b"HTTP/1.1 502 ", 1),
])  # fmt: skip
def test_an_answer_is_read_though_the_backend_has_closed_before_it_got_the_body(
    before: bytes, last: bytes, heard: bytes, failures: int
) -> None:
    @conversation
    async def talk() -> None:
        go_on, said = asyncio.Event(), asyncio.Event()

        async def hasty(talk: BackendTalk) -> None:
            await talk.head()
            await talk.say(before)
            said.set()
            await go_on.wait()
            await talk.say(last)
            # As a backend does that closes while there is something it has not read.
            talk.reset()

        async with serving(FakeBackend(hasty)) as proxy:
            client = await proxy.connect()
            await client.say(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
            await said.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            (pool,) = proxy.server.service.connections
            (connection,) = pool.connections
            connection.pause_reading()
            go_on.set()
            while proxy.in_flight:
                client.writer.write(b"more")
                await asyncio.sleep(0)
            got = await client.until_close()
            assert got.startswith(heard)
            assert got.endswith(b"big") is (not failures)
            assert proxy.pool().backends[0].failures == failures
            assert not pool.idle

    talk()


@conversation
async def test_a_response_that_breaks_off_breaks_off_for_the_client_too() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await client.until_close()
        assert answer.endswith(b"\r\n\r\nhello")
        assert proxy.in_flight == 0


@conversation
async def test_a_client_that_knows_no_chunks_is_not_let_take_a_part_for_the_whole() -> None:
    leave = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await leave.wait()

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.0\r\nHost: a\r\n\r\n")
        await client.head()
        assert await client.read(5) == b"hello"
        leave.set()
        with pytest.raises(ConnectionResetError):
            await client.until_close()
        assert proxy.in_flight == 0
