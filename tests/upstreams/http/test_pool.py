"""Connections that take long to make, or can't be made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from l7proxy.core.policies.health_check import Probe
from l7proxy.upstreams.http.resolver import Resolver
from tests.server.descriptors import none_left
from tests.server.openers import Held
from tests.server.support import OK, BackendTalk, FakeBackend, Running, conversation, serving, until

from .names import NameServer


def connections_to(proxy: Running) -> Any:
    """The connections to the only backend."""
    (pool,) = proxy.server.service.connections
    return pool


@conversation
async def test_a_backend_that_takes_too_long_to_connect_to_is_a_504() -> None:
    async with serving("127.0.0.1:1", http={"connect_timeout": 0.01}) as proxy:
        connections_to(proxy).connector.loop = Hole("127.0.0.1")
        answer = await (await proxy.connect()).get()
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert answer.endswith(b"504 Gateway Timeout: the backend took too long\n")
        assert proxy.in_flight == 0


class Busy:
    """A loop that never comes to the end of its turn."""

    def call_soon(self, callback: object) -> None:
        """It would be called then."""


@conversation
async def test_what_must_not_be_sent_twice_is_written_as_soon_as_the_socket_was_asked() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.get()
        write_batcher = connections_to(proxy).write_batcher
        write_batcher.loop = Busy()
        for method in ("GET", "POST"):
            write_batcher.alone = 0
            await client.say(f"{method} /api HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            await until(lambda: proxy.in_flight == 1)
            if method == "GET":
                assert (len(write_batcher.held), len(backend.heads)) == (1, 1)
                write_batcher.flush()
            await until(lambda: write_batcher.held and not proxy.in_flight)
            write_batcher.flush()
            assert (await client.response()).endswith(b"ok")
        assert [head.split(b" ")[0] for head in backend.heads] == [b"GET", b"GET", b"POST"]
        assert backend.accepted == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_with_something_to_tell_is_not_used_again(method: str) -> None:
    @conversation
    async def talk() -> None:
        backend = FakeBackend()
        async with serving(backend) as proxy:
            client = await proxy.connect()
            await client.get()
            (idle,) = connections_to(proxy).idle
            idle.is_readable = lambda: True
            idle.idle_since -= 0.01
            await client.say(f"{method} /api HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert (await client.response()).endswith(b"ok")
        assert backend.accepted == 2

    talk()


@conversation
async def test_what_has_come_and_was_not_read_is_not_the_answer_to_the_next_request() -> None:
    unasked, said = asyncio.Event(), asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(OK)
        await unasked.wait()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        said.set()
        await talk.rest()

    backend = FakeBackend(script)
    async with serving(backend) as proxy:
        client = await proxy.connect()
        assert (await client.get()).endswith(b"ok")
        (idle,) = connections_to(proxy).idle
        idle.pause_reading()
        idle.idle_since -= 0.01
        unasked.set()
        await said.wait()
        assert (await client.get()).endswith(b"ok")
    assert backend.accepted == 2


@pytest.mark.parametrize(("said", "seconds", "accepted"), [
    ("timeout=5, max=100", 3, 1),
    ("timeout=5, max=100", 4.5, 2),
    ("max=9, TimeOut = 5", 4.5, 2),
    ("timeout=500", 29, 1),
    ("timeout=500", 31, 2),
    ("timeout=0", 0.5, 2),
    ("timeout=x", 29, 1),
    ("notimeout=1", 29, 1),
])  # fmt: skip
def test_an_idle_connection_is_closed_before_its_backend_would_do_so(
    said: str, seconds: float, accepted: int
) -> None:
    @conversation
    async def talk() -> None:
        keep = f"HTTP/1.1 200 OK\r\nKeep-Alive: {said}\r\nContent-Length: 2\r\n\r\nok"
        backend = FakeBackend(answers=[keep.encode()])
        async with serving(backend) as proxy:
            client = await proxy.connect()
            assert (await client.get()).endswith(b"ok")
            proxy.server.pools.sweep(connections_to(proxy).time() + seconds)
            assert (await client.get()).endswith(b"ok")
        assert backend.accepted == accepted

    talk()


class Hole:
    """A loop on which one address never answers."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self.connecting = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, protocol: Any, host: str, *where: Any, **how: Any) -> Any:
        if host != self._address:
            return await self._loop.create_connection(protocol, host, *where, **how)
        self.connecting += 1
        try:
            return await self._loop.create_future()
        finally:
            self.connecting -= 1


@conversation
async def test_an_address_that_never_answers_leaves_time_for_the_next() -> None:
    backend = FakeBackend()
    async with serving(backend, http={"connect_timeout": 0.2}) as proxy:
        pool = connections_to(proxy)
        pool.connector.loop = hole = Hole("192.0.2.1")
        server = NameServer("192.0.2.1", "127.0.0.1")
        pool.connector.resolver = Resolver(server.lookups, server.time, "shop", backend.port, 0)
        assert (await (await proxy.connect()).get()).endswith(b"ok")
        assert hole.connecting == 0


@conversation
async def test_a_check_that_is_given_up_stops_connecting() -> None:
    async with serving("127.0.0.1:1") as proxy:
        pool = connections_to(proxy)
        pool.connector.loop = hole = Hole("127.0.0.1")
        core = proxy.server.service.proxy.pools["api"]
        probe = Probe(core, core.backends[0], "/", pool.time() + 60, lambda *outcome: None)
        pool.probe(probe, pool.time())
        await until(lambda: hole.connecting == 1)
        probe.cancel()
        await until(lambda: not pool.busy)
        assert hole.connecting == 0


@pytest.mark.parametrize("fails", [True, False])
def test_a_connection_that_nobody_waits_for_any_more_may_fail_or_else_is_kept(fails: bool) -> None:
    @conversation
    async def talk() -> None:
        backend = FakeBackend()
        async with serving(backend) as proxy:
            pool = connections_to(proxy)
            make = pool.connector
            pool.connector = held = Held(make, ConnectionRefusedError() if fails else None)
            client = await proxy.connect()
            await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: proxy.in_flight == 1)
            client.reset()
            await until(lambda: proxy.in_flight == 0)
            held.released.set()
            await until(lambda: not pool.connecting)
            assert len(pool.idle) == (not fails)
            pool.connector = make
            assert (await (await proxy.connect()).get()).endswith(b"ok")
        assert backend.accepted == 1

    talk()


@conversation
async def test_a_check_for_which_there_is_no_descriptor_says_nothing_about_its_backend() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        pool = connections_to(proxy)
        core = proxy.server.service.proxy.pools["api"]
        outcomes: list[tuple[int | None, float]] = []
        probe = Probe(
            core, core.backends[0], "/", pool.time() + 60, lambda *outcome: outcomes.append(outcome)
        )
        with none_left():
            pool.probe(probe, pool.time())
            await until(lambda: probe.over)
        assert outcomes == []
        await until(lambda: not pool.busy)
