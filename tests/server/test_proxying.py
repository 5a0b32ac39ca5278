"""A request comes in, a backend answers, the client gets it: over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from .support import OK, BackendTalk, FakeBackend, conversation, serving, until


@conversation
async def test_a_request_is_passed_on_and_its_response_comes_back() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api/x?y=1 HTTP/1.1\r\nHost: example.org\r\nX-A: 1\r\n\r\n")
        response = await client.response()
    assert backend.heads == [
        b"GET /api/x?y=1 HTTP/1.1\r\nHost: example.org\r\nX-A: 1\r\n"
        b"X-Forwarded-Host: example.org\r\nX-Forwarded-For: 127.0.0.1\r\n"
        b"X-Forwarded-Proto: http\r\n\r\n"
    ]
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: ")
    assert body == b"ok"


@conversation
async def test_a_head_that_comes_again_and_again_is_always_passed_on_alike() -> None:
    backend = FakeBackend()
    settings = {"via": "edge"}
    async with serving(backend, server=settings) as proxy:
        client = await proxy.connect()
        for _ in range(4):
            for path in ("/api/x", "/static/../api/y"):
                await client.get(path, "Via: 1.0 fred")
                await client.get(path)
    about = "X-Forwarded-Host: example.org\r\nX-Forwarded-For: 127.0.0.1\r\n"
    for path, plain in (("x", backend.heads[1::4]), ("y", backend.heads[3::4])):
        assert {head.decode() for head in plain} == {
            f"GET /api/{path} HTTP/1.1\r\nHost: example.org\r\n{about}"
            "X-Forwarded-Proto: http\r\nVia: 1.1 edge\r\n\r\n"
        }
    assert all(head.endswith(b"\r\nVia: 1.0 fred, 1.1 edge\r\n\r\n") for head in backend.heads[::2])


@conversation
async def test_connections_to_backends_are_used_again() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for _ in range(50):
            assert (await client.get()).endswith(b"ok")
        for _ in range(5):
            other = await proxy.connect()
            assert (await other.get()).endswith(b"ok")
            other.close()
        assert proxy.in_flight == 0
    assert len(backend.heads) == 55
    assert backend.accepted == 1


@conversation
async def test_pipelined_requests_are_answered_in_order() -> None:
    async def script(talk: BackendTalk) -> None:
        while head := await talk.head():
            path = head.split(b" ")[1]
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        paths = [b"/api/%d" % n if n % 3 else b"/none/%d" % n for n in range(40)]
        await client.say(b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % p for p in paths))
        for path in paths:
            response = await client.response()
            assert response.rstrip().endswith(path)


@conversation
async def test_a_dead_idle_connection_is_replaced_without_the_client_noticing() -> None:
    async def once(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(OK)
        # The next request is read, and then the connection closes without a word.
        await talk.head()

    backend = FakeBackend(once)
    async with serving(backend, retries={"attempts": 1}) as proxy:
        client = await proxy.connect()
        for _ in range(3):
            assert (await client.get()).endswith(b"ok")
        assert proxy.pool().by_name["127.0.0.1"].failures == 0
    assert backend.accepted == 3


UNASKED = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("GET", OK + UNASKED),
        ("HEAD", OK + UNASKED),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n" + UNASKED),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n" + UNASKED),
    ],
    ids=["length", "head", "204", "304"],
)
@conversation
async def test_what_a_backend_says_beyond_its_answer_is_nobodys_answer(
    method: str, answer: bytes
) -> None:
    async def script(talk: BackendTalk) -> None:
        while await talk.head():
            await talk.say(answer)

    backend = FakeBackend(script)
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for _ in range(3):
            await client.say(f"{method} /api HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            head = await client.head()
            assert head.startswith(answer[:12])
            if method == "GET" and answer.startswith(OK):
                assert await client.read(2) == b"ok"
    assert backend.accepted == 3


@conversation
async def test_what_an_idle_backend_says_unasked_is_nobodys_answer() -> None:
    idle = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(OK)
        await idle.wait()
        await talk.say(UNASKED)
        await talk.rest()

    backend = FakeBackend(script)
    async with serving(backend) as proxy:
        client = await proxy.connect()
        assert (await client.get()).endswith(b"ok")
        idle.set()
        (pool,) = proxy.server.service.connections
        await until(lambda: not pool.idle)
        assert (await client.get()).endswith(b"ok")
    assert backend.accepted == 2
