"""The end of a listener, with clients that are still busy."""

from __future__ import annotations

import asyncio

from .support import OK, BackendTalk, FakeBackend, conversation, serving, until


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
