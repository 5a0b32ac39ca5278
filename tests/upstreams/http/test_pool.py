"""Connections that take long to make, or can't be made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.support import FakeBackend, Running, conversation, serving, until


def connections_to(proxy: Running) -> Any:
    """The connections to the only backend."""
    (pool,) = proxy.server.service.connections
    return pool


@conversation
async def test_a_backend_that_takes_too_long_to_connect_to_is_a_504() -> None:
    async with serving("127.0.0.1:1", http={"connect_timeout": 0.01}) as proxy:

        async def never(protocol: object) -> None:
            await asyncio.get_running_loop().create_future()

        connections_to(proxy).open = never
        answer = await (await proxy.connect()).get()
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert answer.endswith(b": connecting\n")
        assert proxy.in_flight == 0


@pytest.mark.parametrize("fails", [True, False])
def test_a_connection_that_nobody_waits_for_any_more_may_fail_or_else_is_kept(fails: bool) -> None:
    @conversation
    async def talk() -> None:
        backend = FakeBackend()
        async with serving(backend) as proxy:
            pool = connections_to(proxy)
            make, release = pool.open, asyncio.Event()

            async def slowly(protocol: object) -> Any:
                await release.wait()
                if fails:
                    raise ConnectionRefusedError
                return await make(protocol)

            pool.open = slowly
            client = await proxy.connect()
            await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: proxy.in_flight == 1)
            client.reset()
            await until(lambda: proxy.in_flight == 0)
            release.set()
            await until(lambda: not pool._connecting)
            assert len(pool.idle) == (not fails)
            pool.open = make
            assert (await (await proxy.connect()).get()).endswith(b"ok")
        assert backend.accepted == 1

    talk()
