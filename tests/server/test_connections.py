"""Connections: how they begin, wait, change and end."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from l7proxy.server.client_timer import READ
from l7proxy.server.read_ahead import MAX_PENDING

from .support import (
    HALF_CLOSED,
    OK,
    BackendTalk,
    FakeBackend,
    Running,
    conversation,
    free_port,
    serving,
    until,
)


async def mute(talk: BackendTalk) -> None:
    """Takes a request and never answers."""
    await talk.head()
    await talk.rest()


@conversation
async def test_a_half_closed_client_gets_its_answers_where_that_is_configured() -> None:
    async with serving(FakeBackend(), server=HALF_CLOSED) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        client.writer.write_eof()
        assert (await client.until_close()).count(b"\r\n\r\nok") == 3


@conversation
async def test_a_client_that_leaves_gives_its_place_back() -> None:
    backend = FakeBackend(mute)
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: proxy.in_flight == 1)
        client.reset()
        await until(lambda: proxy.in_flight == 0)


@conversation
async def test_connection_close_is_obeyed_and_answered() -> None:
    async with serving(FakeBackend()) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in await client.until_close()


@conversation
async def test_a_request_without_a_host_gets_that_of_each_backend_it_goes_to() -> None:
    backends = FakeBackend(), FakeBackend()
    async with serving(*backends) as proxy:
        client = await proxy.connect()
        for _ in range(4):
            await client.say(b"GET /api HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            await client.response()
        for backend in backends:
            host = f"\r\nHost: {backend.address.removeprefix('http://')}\r\n".encode()
            assert [host in head for head in backend.heads] == [True, True]


@conversation
async def test_an_http_1_0_client_may_keep_its_connection() -> None:
    async with serving(FakeBackend()) as proxy:
        client = await proxy.connect()
        for _ in range(2):
            await client.say(b"GET /api HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            assert b"\r\nConnection: keep-alive\r\n" in await client.response()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /api HTTP/1.1\r\n\r\n", 400),
        (b"GET  /api HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000, 431),
        (b"GET /" + b"x" * 9_000, 414),
        (b"GET /api HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    ],
)
@conversation
async def test_a_bad_request_is_answered_and_the_connection_closed(
    request_: bytes, status: int
) -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.say(request_)
        answer = await client.until_close()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert backend.accepted == 0


@conversation
async def test_error_pages_are_json_for_those_who_ask_for_it() -> None:
    async with serving(FakeBackend()) as proxy:
        client = await proxy.connect()
        assert b"text/plain" in await client.get("/none")
        page = await client.get("/none", "Accept: application/json")
        assert b"Content-Type: application/json" in page
        assert b"\r\nDate: " in page


@conversation
async def test_interim_responses_are_passed_on_but_for_the_100() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    backend = FakeBackend(answers=[b"HTTP/1.1 100 Continue\r\n\r\n" + hints + OK])
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await client.head() == hints
        assert (await client.response()).endswith(b"ok")


@conversation
async def test_an_upgrade_becomes_a_tunnel() -> None:
    heads: list[bytes] = []

    async def script(talk: BackendTalk) -> None:
        heads.append(await talk.head())
        await talk.say(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi"
        )
        while data := await talk.reader.read(100):
            await talk.say(data.upper())
        await talk.say(b"bye")

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(
            b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly"
        )
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nUpgrade: echo\r\n" in head
        assert sorted(await client.read(7)) == sorted(b"hiEARLY")
        await client.say(b"abc")
        assert await client.read(3) == b"ABC"
        client.writer.write_eof()
        assert await client.until_close() == b"bye"
        await until(lambda: proxy.in_flight == 0)
    assert b"\r\nConnection: Upgrade\r\nUpgrade: echo\r\n" in heads[0]


@conversation
async def test_empty_lines_before_a_request_are_nothing_of_it() -> None:
    async with serving(FakeBackend()) as proxy:
        client, other = await proxy.connect(), await proxy.connect()
        await client.say(b"\r\n" * 3)
        await client.say(b"\r\n" * 1000 + b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n")
        assert (await client.response()).endswith(b"ok")
        await until(lambda: proxy.server.listener.connections)
        # Nor is any of the next one there yet, for which there would be less time.
        proxy.overdue(12)
        assert (await client.get()).endswith(b"ok")
        await client.say(b"\r\n\r\n")
        await until(lambda: any(one.read_ahead for one in proxy.server.listener.connections))
        for connection in list(proxy.server.listener.connections):
            connection.drain()
        assert await client.until_close() == await other.until_close() == b""


@conversation
async def test_a_client_that_expects_a_100_has_it_before_its_101() -> None:
    async with serving(FakeBackend(answers=[SWITCH])) as proxy:
        client = await proxy.connect()
        await client.say(
            b"GET /api HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            b"Connection: Upgrade\r\nUpgrade: h2c, echo\r\n\r\n"
        )
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


@conversation
async def test_a_101_that_nobody_asked_for_is_a_502() -> None:
    backend = FakeBackend(
        answers=[
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
        ]
    )
    async with serving(backend, retries={"attempts": 1}) as proxy:
        client = await proxy.connect()
        assert (await client.get()).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"nonsense\r\n\r\n", 502), (b"HTTP/1.1 200 OK\r\nContent-Le", 502), (b"", 502)],
)
@conversation
async def test_a_backend_that_makes_no_sense_is_a_502(answer: bytes, status: int) -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(answer)

    async with serving(FakeBackend(script), retries={"attempts": 1}) as proxy:
        client = await proxy.connect()
        assert (await client.get()).startswith(b"HTTP/1.1 %d " % status)
        assert proxy.in_flight == 0


@conversation
async def test_a_slow_backend_is_a_504_and_its_connection_is_not_used_again() -> None:
    backend = FakeBackend(mute)
    settings: dict[str, Any] = {"timeouts": {"attempt": 0.05}, "retries": {"attempts": 1}}
    async with serving(backend, **settings) as proxy:
        client = await proxy.connect()
        assert (await client.get()).startswith(b"HTTP/1.1 504 ")
        assert (await client.get()).startswith(b"HTTP/1.1 504 ")
        assert proxy.in_flight == 0
    assert backend.accepted == 2


@conversation
async def test_nobody_there_is_a_502() -> None:
    async with serving(f"http://127.0.0.1:{free_port()}") as proxy:
        client = await proxy.connect()
        answer = await client.get()
        assert answer.startswith(b"HTTP/1.1 502 ")
        # Who is behind the proxy, and what exactly is wrong with it, is nobody's business.
        assert answer.endswith(b"502 Bad Gateway: the backend can't be reached\n")
        assert proxy.in_flight == 0


@conversation
async def test_slow_clients_are_sent_away() -> None:
    async with serving(FakeBackend()) as proxy:
        idle, slow, stuck = [await proxy.connect() for _ in range(3)]
        assert (await idle.get()).endswith(b"ok")
        await slow.say(b"GET /api HTTP/1.1\r\nHo")
        await stuck.say(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
        await until(lambda: proxy.in_flight == 1)
        await until(lambda: len(proxy.server.listener.connections) == 3)
        proxy.overdue(80)
        assert await idle.until_close() == b""
        assert (await slow.until_close()).startswith(b"HTTP/1.1 408 ")
        assert (await stuck.until_close()).startswith(b"HTTP/1.1 408 ")
        assert proxy.in_flight == 0


@conversation
async def test_a_body_that_stands_still_breaks_off() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await talk.rest()

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.head()
        await client.read(5)
        proxy.overdue(61)
        assert await client.until_close() == b""
        assert proxy.in_flight == 0


@conversation
async def test_idle_connections_to_backends_grow_old() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.get()
        proxy.overdue(31)
        await client.get()
    assert backend.accepted == 2


@conversation
async def test_no_more_idle_connections_are_kept_than_allowed() -> None:
    backend = FakeBackend()
    async with serving(backend, http={"max_idle": 0}) as proxy:
        client = await proxy.connect()
        await client.get()
        await client.get()
    assert backend.accepted == 2


@conversation
async def test_requests_wait_for_a_place_on_a_full_backend() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        address = proxy.pool().backends[0].address
    only = {"address": address, "max_connections": 1}
    backend = FakeBackend()
    await backend.start(int(address.rpartition(":")[2]))
    async with serving(only) as proxy:
        clients = [await proxy.connect() for _ in range(8)]
        for client in clients:
            await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in clients:
            assert (await client.response()).endswith(b"ok")
    assert backend.accepted == 1
    await backend.stop()


@conversation
async def test_a_client_that_pipelines_and_does_not_read_is_not_read_for_ever() -> None:
    size = 100_000
    backend = FakeBackend(
        answers=[b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, bytes(size))]
    )
    async with serving(backend) as proxy:
        client = await proxy.connect()
        client.stop_reading()
        count = 400
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n" * count)
        connection = await proxy.connection()
        await until(lambda: connection.turn is READ)
        for _ in range(2000):
            await until(lambda: True)
        assert len(backend.heads) < count // 2
        client.read_on()
        for _ in range(count):
            assert len(await client.response()) > size


@conversation
async def test_more_than_is_read_ahead_waits_for_the_request_before_it() -> None:
    release = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await release.wait()
        await talk.say(OK)
        while await talk.head():
            await talk.say(OK)

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        count = 20_000
        client.writer.write(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        client.writer.write(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n" * count)
        connection = await proxy.connection()
        await until(lambda: connection.read_ahead > MAX_PENDING)
        assert connection.read_ahead < 30 * count
        release.set()
        assert (await client.response()).endswith(b"ok")
        for _ in range(count):
            assert (await client.response()).startswith(b"HTTP/1.1 404 ")


@conversation
async def test_a_client_that_reads_no_answers_has_its_next_request_wait() -> None:
    answers: dict[str, Any] = {"upstream": "simulated", "simulate": {"body": "x" * 1_000_000}}
    async with serving("a:1", **answers) as proxy:
        client = await proxy.connect()
        client.stop_reading()
        connection = await proxy.connection()
        count = 0
        while connection.turn is not READ:
            await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
            count += 1
            await until(lambda count=count: seen(proxy) == count)  # type: ignore[misc]
        await client.say(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: connection.read_ahead)
        client.read_on()
        for _ in range(count):
            assert len(await client.response()) > 1_000_000
        assert (await client.response()).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(("behind", "answers"), [
    (b"", []),
    (b"GET /api HT", []),
    (b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", [b"404"]),
    (b"GET /api HTTP/1.0\r\n\r\n", [b"200"]),
])  # fmt: skip
@conversation
async def test_what_is_behind_the_last_request_of_a_client_that_has_ended_is_no_reason_to_wait(
    behind: bytes, answers: list[bytes]
) -> None:
    release = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        while await talk.head():
            await release.wait()
            await talk.say(OK)

    async with serving(FakeBackend(script), server=HALF_CLOSED) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n" + behind)
        client.writer.write_eof()
        connection = await proxy.connection()
        await until(lambda: connection.finished)
        release.set()
        heard = await client.until_close()
        assert re.findall(rb"HTTP/1.1 (\d+) ", heard) == [b"200", *answers]
        assert proxy.in_flight == 0


@conversation
async def test_a_tunnel_ends_where_either_end_is_gone() -> None:
    over = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n"
        )
        if await talk.reader.read(3) == b"you":
            talk.writer.transport.abort()
        else:
            assert await talk.rest() == b""
            over.set()

    async with serving(FakeBackend(script)) as proxy:
        for word in (b"you", b"me!"):
            client = await proxy.connect()
            await client.say(
                b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"
            )
            await client.head()
            await client.say(word)
            if word == b"you":
                assert await client.until_close() == b""
                client.close()
            else:
                client.reset()
                await over.wait()
            await until(lambda: proxy.in_flight == 0)


def seen(proxy: Running) -> int:
    """How many requests the only backend has had."""
    return sum(backend.total for backend in proxy.pool().backends)
