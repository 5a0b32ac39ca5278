"""How long clients and backends may take: by whose turn it is, in whatever way that came about."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import pytest

from l7proxy.server.client_timer import NEVER, NOTHING, READ
from l7proxy.server.connection import BLOCKED, CLOSED, LINGERING, ClientConnection

from .openers import AtOnce, Held
from .support import (
    HALF_CLOSED,
    OK,
    BackendTalk,
    Client,
    FakeBackend,
    Running,
    Script,
    conversation,
    held,
    serving,
    until,
)

P = TypeVar("P", bound=asyncio.BaseProtocol)

HALF = b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab"
"""A request of whose body the rest is yet to come."""


async def slow_client(proxy: Running, request: bytes) -> tuple[Client, ClientConnection]:
    """A client that has asked and reads nothing of what comes, and the proxy's end of it."""
    client = await proxy.connect(narrow=True)
    client.stop_reading()
    await client.say(request)
    return client, await proxy.connection()


def answer(size: int, *, more: int = 0) -> bytes:
    """A response with so many bytes of content, of which `more` never come."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size + more, bytes(size))


def once(response: bytes) -> Script:
    """What a backend does that answers a head and then only listens."""

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(response)
        await talk.rest()

    return script


def has_all(connection: ClientConnection) -> bool:
    """Whether all of a request's body has come."""
    body = connection.request.body
    return body is not None and body.complete


def is_held_back(connection: ClientConnection) -> bool:
    """Whether a client that has more of a body to send is kept from it."""
    return connection.request.expects_body and connection.turn is NOTHING


async def read_nothing_for_long(proxy: Running) -> None:
    """Lets so much time pass that no client may go without reading."""
    for _ in range(3):
        proxy.clock.ahead += 61
        proxy.overdue(1000)


class Full(asyncio.Transport):
    """A connection to a backend that has room for nothing."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def write(self, data: object) -> None:
        self._protocol.pause_writing()

    def abort(self) -> None:
        """Nothing is under way on it."""


# What the client has to read.


@pytest.mark.parametrize("request_", [
    b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /api HTTP/1.0\r\n\r\n",
])  # fmt: skip
@pytest.mark.parametrize("size", [50_000, 100_000])
@conversation
async def test_a_last_response_is_not_cut_off_while_its_client_reads_some_of_it(
    request_: bytes, size: int
) -> None:
    async with serving(FakeBackend(once(answer(size))), narrow=True) as proxy:
        client, connection = await slow_client(proxy, request_)
        await until(lambda: connection.state is LINGERING)
        assert connection.timer.count_unread()
        for _ in range(3):
            proxy.overdue(70)
        assert await proxy.connections() == [connection]
        client.read_on()
        assert len((await client.until_close()).partition(b"\r\n\r\n")[2]) == size


@pytest.mark.parametrize("last", [True, False])
@conversation
async def test_a_client_that_reads_nothing_is_given_up(last: bool) -> None:
    async with serving(FakeBackend(once(answer(100_000))), narrow=True) as proxy:
        close = b"Connection: close\r\n" * last
        request = b"GET /api HTTP/1.1\r\nHost: a\r\n%b\r\n" % close
        _, connection = await slow_client(proxy, request)
        await until(lambda: connection.turn is READ)
        assert connection.state is (LINGERING if last else BLOCKED)
        await read_nothing_for_long(proxy)
        await until(lambda: not proxy.server.listener.connections)


@conversation
async def test_a_client_that_has_read_its_last_response_must_close_soon() -> None:
    async with serving(FakeBackend(once(answer(100_000))), narrow=True) as proxy:
        client, connection = await slow_client(proxy, b"GET /api HTTP/1.0\r\n\r\n")
        await until(lambda: connection.state is LINGERING and connection.timer.count_unread())
        client.read_on()
        await until(lambda: not connection.timer.count_unread())
        for _ in range(2):
            proxy.overdue(10)
        await until(lambda: not proxy.server.listener.connections)


@conversation
async def test_what_a_broken_off_response_leaves_unsent_is_not_kept_for_ever() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(answer(40_000, more=1))

    async with serving(FakeBackend(script), narrow=True) as proxy:
        _, connection = await slow_client(proxy, b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: connection.state is CLOSED)
        assert await proxy.connections() == [connection]
        await read_nothing_for_long(proxy)
        await until(lambda: not proxy.server.listener.connections)


# What is still to come from the client.


@conversation
async def test_the_end_of_its_body_does_not_free_a_client_from_reading_the_answer() -> None:
    async with serving(FakeBackend(once(answer(200_000, more=1))), narrow=True) as proxy:
        client, connection = await slow_client(proxy, HALF)
        await until(lambda: connection.turn is READ)
        await client.say(b"cd")
        await until(lambda: has_all(connection))
        await read_nothing_for_long(proxy)
        await until(lambda: proxy.in_flight == 0)


@conversation
async def test_having_read_the_answer_does_not_free_a_client_from_sending_its_body() -> None:
    async with serving(FakeBackend(once(answer(200_000, more=1))), narrow=True) as proxy:
        client, connection = await slow_client(proxy, HALF)
        await until(lambda: connection.turn is READ)
        client.read_on()
        await client.head()
        await client.read(200_000)
        await until(lambda: connection.turn is not READ)
        proxy.overdue(61)
        await until(lambda: proxy.in_flight == 0)


@pytest.mark.parametrize("size", [60_000, 100_000])
@conversation
async def test_a_client_whose_body_is_there_has_nothing_more_to_do(size: int) -> None:
    release = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.read(size)
        await release.wait()
        await talk.say(OK)

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        connection = await proxy.connection()
        await client.say(
            b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
        )
        await until(lambda: has_all(connection))
        assert connection.turn is NOTHING
        proxy.overdue(10_000)
        release.set()
        assert (await client.response()).endswith(b"ok")


@conversation
async def test_a_client_that_is_kept_from_sending_is_not_too_slow() -> None:
    occupied = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        while head := await talk.head():
            if head.startswith(b"GET"):
                await occupied.wait()
            else:
                await talk.read(3_000_000)
            await talk.say(OK)

    backend = FakeBackend(script)
    await backend.start()
    async with serving({"address": backend.address, "max_connections": 1}) as proxy:
        first, second = await proxy.connect(), await proxy.connect()
        await first.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: proxy.in_flight == 1)
        second.writer.write(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
        second.writer.write(bytes(3_000_000))
        await until(lambda: any(is_held_back(c) for c in proxy.server.listener.connections))
        proxy.overdue(10_000)
        occupied.set()
        assert (await first.response()).endswith(b"ok")
        assert (await second.response()).endswith(b"ok")
    await backend.stop()


@conversation
async def test_a_body_that_was_all_there_before_it_was_refused_keeps_nobody_from_the_next() -> None:
    async with serving(FakeBackend()) as proxy:
        client = await proxy.connect()
        connection = await proxy.connection()
        for size in (60_000, 100_000):
            head = b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
            connection.data_received(head + bytes(size))
            assert (await client.response()).startswith(b"HTTP/1.1 404 ")
            assert (await client.get()).endswith(b"ok")


@conversation
async def test_a_tunnel_whose_end_takes_nothing_grows_old_all_the_same() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"
        )
        talk.stop_reading()
        await asyncio.get_running_loop().create_future()

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(
            b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"
        )
        await client.head()
        client.writer.write(bytes(12_000_000))
        await client.stands_still()
        proxy.overdue(3601)
        await until(lambda: proxy.in_flight == 0)


# What backends have to do.


@conversation
async def test_a_body_that_ends_while_a_connection_is_made_leaves_the_attempt_its_deadline() -> (
    None
):
    async def silent(talk: BackendTalk) -> None:
        await talk.rest()

    retries = {"attempts": 1}
    async with serving(FakeBackend(silent), timeouts={"attempt": 0.05}, retries=retries) as proxy:
        (pool,) = proxy.server.service.connections
        pool.connector = held = Held(pool.connector)
        client = await proxy.connect()
        connection = await proxy.connection()
        await client.say(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        await until(lambda: proxy.in_flight == 1)
        await client.say(b"abcd")
        await until(lambda: has_all(connection))
        held.released.set()
        assert (await client.response()).startswith(b"HTTP/1.1 504 ")
        assert proxy.in_flight == 0


@pytest.mark.parametrize("early", [True, False])
@conversation
async def test_a_response_that_stands_still_breaks_off_whenever_the_request_ended(
    early: bool,
) -> None:
    async def patient(talk: BackendTalk) -> None:
        await talk.head()
        await talk.read(4)
        await talk.say(answer(3, more=7))
        await talk.rest()

    script = once(answer(3, more=7)) if early else patient
    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        connection = await proxy.connection()
        await client.say(HALF)
        if early:
            await client.head()
        await client.say(b"cd")
        if not early:
            await client.head()
        await until(lambda: has_all(connection))
        await client.read(3)
        proxy.overdue(61)
        assert await client.until_close() == b""
        assert proxy.in_flight == 0


@conversation
async def test_a_body_that_lasts_until_the_end_does_not_end_by_a_reset() -> None:
    cut = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        await cut.wait()
        talk.reset()

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.head()
        assert await client.read(15) == b"a\r\nhalf of it\r\n"
        cut.set()
        assert await client.until_close() == b""
        assert proxy.pool().backends[0].failures == 1


@conversation
async def test_a_backend_that_answers_early_and_reads_no_more_is_not_waited_for() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        talk.stop_reading()
        await pushed.wait()
        await talk.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.get_running_loop().create_future()

    pushed = asyncio.Event()
    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        connection = await proxy.connection()
        client.writer.write(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        client.writer.write(bytes(12_000_000))
        await until(lambda: is_held_back(connection))
        pushed.set()
        assert (await client.response()).startswith(b"HTTP/1.1 413 ")
        (pool,) = proxy.server.service.connections
        await until(lambda: not pool.connections)


@conversation
async def test_a_first_write_that_is_too_much_for_the_backend_stops_the_client() -> None:
    async with serving(FakeBackend(once(b""))) as proxy:
        client = await proxy.connect()
        connection = await proxy.connection()
        (pool,) = proxy.server.service.connections

        pool.connector = AtOnce(pool.connector, lambda made: made.connection_made(Full(made)))
        client.writer.write(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        client.writer.write(bytes(1_000_000))
        await until(lambda: any(c.stalled_since < NEVER for c in pool.connections))
        assert is_held_back(connection)


# Reloads and drains.


@conversation
async def test_a_request_from_before_a_reload_is_its_connections_last_in_a_drain() -> None:
    release = asyncio.Event()
    async with serving(FakeBackend(held(release))) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: proxy.in_flight == 1)
        proxy.server.reload(proxy.server.service.config)
        drained = asyncio.ensure_future(proxy.server.listener.drain(60))
        await until(lambda: proxy.server.listener.draining)
        release.set()
        assert b"\r\nConnection: close\r\n" in await client.until_close()
        client.close()
        await drained


@conversation
async def test_connections_that_are_not_wanted_any_more_are_looked_after_until_they_end() -> None:
    async with serving(FakeBackend(once(answer(3, more=7)))) as proxy:
        (pool,) = proxy.server.service.connections
        proxy.server.pools.keep_only(set())
        proxy.overdue(0)
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.head()
        await client.read(3)
        assert pool.busy
        proxy.overdue(61)
        assert await client.until_close() == b""
        await until(lambda: not pool.busy)


@conversation
async def test_a_half_closed_client_that_reads_late_gets_the_answers_to_all_it_asked() -> None:
    backend = FakeBackend(answers=[answer(100_000), OK])
    async with serving(backend, narrow=True, server=HALF_CLOSED) as proxy:
        client, connection = await slow_client(proxy, b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        await until(lambda: connection.state is BLOCKED and connection.read_ahead)
        client.writer.write_eof()
        await until(lambda: connection.finished)
        client.read_on()
        assert len(await client.response()) > 100_000
        assert (await client.response()).endswith(b"ok")
        assert await client.until_close() == b""
