"""The end of a listener, with clients that are still busy."""

from __future__ import annotations

import asyncio
import socket

from .support import OK, BackendTalk, Client, FakeBackend, conversation, serving, until


@conversation
async def test_a_drain_gives_up_what_does_not_end_in_time() -> None:
    leave = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        if b" /api/slow " in await talk.head():
            await leave.wait()
        await talk.say(OK)

    async with serving(FakeBackend(script)) as proxy:
        busy, idle = await proxy.connect(), await proxy.connect()
        assert (await idle.get()).endswith(b"ok")
        await busy.say(b"GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: proxy.in_flight == 1)
        await proxy.server.listener.drain(0.01)
        assert await busy.until_close() == b""
        assert await idle.until_close() == b""
        await until(lambda: not proxy.server.listener.connections)
        assert proxy.in_flight == 0
        leave.set()


@conversation
async def test_a_client_that_had_connected_before_a_drain_is_answered() -> None:
    async with serving(FakeBackend()) as proxy:
        loop = asyncio.get_running_loop()
        sock = socket.create_connection(("127.0.0.1", proxy.port))
        sock.sendall(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        # Nothing of it was looked at so far.
        draining = loop.create_task(proxy.server.listener.drain(10))
        client = await Client.to(sock=sock)
        assert (await client.until_close()).endswith(b"\r\n\r\nok")
        await draining
        client.close()
