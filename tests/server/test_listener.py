"""The end of a listener, with clients that are still busy."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from .support import OK, BackendTalk, Client, FakeBackend, conversation, held, serving, until


@conversation
async def test_a_drain_answers_what_does_not_end_in_time() -> None:
    leave = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        if b" /api/slow " in await talk.head():
            await leave.wait()
        await talk.say(OK)

    with TemporaryDirectory() as folder:
        file = Path(folder) / "access.log"
        server = {"access_log": {"path": str(file), "format": "envelope"}}
        backend = {"max_connections": 1}
        fake = FakeBackend(script)
        await fake.start()
        async with serving({"address": fake.address, **backend}, server=server) as proxy:
            idle, busy, waiting = [await proxy.connect() for _ in range(3)]
            assert (await idle.get()).endswith(b"ok")
            await busy.say(b"GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: proxy.in_flight == 1)
            await waiting.say(b"GET /api/queued HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: len(proxy.pool().queue) == 1)
            draining = asyncio.ensure_future(proxy.server.listener.drain(0.01))
            for client in (busy, waiting):
                answer = await client.until_close()
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert answer.endswith(b": the proxy is shutting down\n")
                client.close()
            assert await idle.until_close() == b""
            await draining
            assert not proxy.server.listener.connections
            assert proxy.in_flight == 0
            leave.set()
        await fake.stop()
        logged = [json.loads(line)["body"] for line in file.read_text().splitlines()]
        assert sorted((body["path"], body["status"], body.get("error")) for body in logged) == [
            ("/api/queued", 503, "the proxy is shutting down"),
            ("/api/slow", 503, "the proxy is shutting down"),
            ("/api/x", 200, None),
        ]


@conversation
async def test_a_client_that_went_unheard_holds_up_no_drain() -> None:
    release = asyncio.Event()
    async with serving(FakeBackend(held(release))) as proxy:
        client = await proxy.connect()
        client.writer.write(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        client.writer.write(bytes(50_000_000))
        await until(lambda: proxy.in_flight == 1)
        # Nothing is read of it any more, not even that it is gone.
        await client.stands_still()
        client.writer.transport.abort()
        await proxy.server.listener.drain(0)
        assert proxy.in_flight == 0
        release.set()


@conversation
async def test_a_response_that_has_begun_is_cut_short_at_the_end_of_a_drain() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
        await talk.rest()

    async with serving(FakeBackend(script)) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
        assert await client.read(4) == b"some"
        draining = asyncio.ensure_future(proxy.server.listener.drain(0.01))
        assert await client.until_close() == b""
        client.close()
        await draining
        assert proxy.in_flight == 0


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
