"""Clients and backends that others wrote, on both sides of the proxy."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import aiohttp
import httpx
import pytest
import websockets
from aiohttp import web

from tests.peers.nginx import Backends, Nginx, needs_nginx

from .support import Running, conversation, serving

BODY = bytes(range(256)) * 2000

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def echo(request: web.Request) -> web.StreamResponse:
    """What came, told in JSON; or, for /api/stream, the body in chunks as it comes."""
    if request.path == "/api/stream":
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response
    body = await request.read()
    told = {"method": request.method, "path": request.path_qs, "size": len(body)}
    return web.json_response(told, headers={"X-Version": str(request.version)})


@asynccontextmanager
async def before_aiohttp() -> AsyncIterator[Running]:
    """A proxy in front of an aiohttp server."""
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{rest:.*}", echo)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    address = f"http://{host}:{port}"
    try:
        async with serving(address) as proxy:
            yield proxy
    finally:
        await runner.cleanup()


async def curl(proxy: Running, path: str, *options: str, said: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "10", *options, f"http://127.0.0.1:{proxy.port}{path}",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(said)
    assert (process.returncode, err) == (0, b"")
    return out


@needs_curl
def test_curl() -> None:
    # asyncio's own loop: child processes are watched differently by each.
    asyncio.run(asyncio.wait_for(ask_by_curl(), 60))


async def ask_by_curl() -> None:
    async with before_aiohttp() as proxy:
        assert json.loads(await curl(proxy, "/api/x?y")) == {
            "method": "GET", "path": "/api/x?y", "size": 0,
        }  # fmt: skip
        head = await curl(proxy, "/api/x", "--head")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n")
        for how in ((), ("-H", "Expect: 100-continue"), ("-H", "Transfer-Encoding: chunked")):
            out = await curl(proxy, "/api/x", "--data-binary", "@-", *how, said=BODY)
            assert json.loads(out)["size"] == len(BODY), how
        out = await curl(proxy, "/api/stream", "--data-binary", "@-", said=BODY)
        assert out == BODY
        old = await curl(proxy, "/api/x", "--http1.0", "-i")
        assert json.loads(old.partition(b"\r\n\r\n")[2])["method"] == "GET"
        # Asks for HTTP/2, and makes do without.
        assert json.loads(await curl(proxy, "/api/x", "--http2"))["method"] == "GET"
        assert proxy.in_flight == 0


@conversation
async def test_httpx() -> None:
    async with before_aiohttp() as proxy:
        base = f"http://127.0.0.1:{proxy.port}/api"
        async with httpx.AsyncClient(trust_env=False) as client:
            answers = await asyncio.gather(*(client.get(f"{base}/{n}") for n in range(50)))
            assert [a.json()["path"] for a in answers] == [f"/api/{n}" for n in range(50)]
            answer = await client.put(f"{base}/x", content=BODY)
            assert answer.json() == {"method": "PUT", "path": "/api/x", "size": len(BODY)}

            async def pieces() -> AsyncIterator[bytes]:
                for start in range(0, len(BODY), 10_000):
                    yield BODY[start : start + 10_000]

            answer = await client.post(f"{base}/stream", content=pieces())
            assert answer.headers["transfer-encoding"] == "chunked" and answer.content == BODY
            assert (await client.head(f"{base}/x")).content == b""
            assert (await client.get(f"http://127.0.0.1:{proxy.port}/none")).status_code == 404


@conversation
async def test_aiohttp() -> None:
    async with before_aiohttp() as proxy:
        base = f"http://127.0.0.1:{proxy.port}/api"
        async with aiohttp.ClientSession() as client:

            async def ask(n: int) -> Any:
                async with client.post(f"{base}/{n}", data=b"x" * n, expect100=n % 2 == 0) as got:
                    return (await got.json())["size"]

            assert await asyncio.gather(*map(ask, range(1, 40))) == list(range(1, 40))
            async with client.post(f"{base}/stream", data=BODY, chunked=True) as got:
                assert await got.read() == BODY


@conversation
async def test_a_websocket_through_the_tunnel() -> None:
    async def repeat(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(repeat, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with serving(f"http://127.0.0.1:{port}") as proxy:
            url = f"ws://127.0.0.1:{proxy.port}/api/echo"
            async with websockets.connect(url, max_size=None, proxy=None) as client:
                for message in ("hello", b"\0\xff", "x" * 1_000_000):
                    await client.send(message)
                    assert await client.recv() == message
                assert proxy.in_flight == 1
            while proxy.in_flight:
                await asyncio.sleep(0)


@contextmanager
def files(home: Path) -> Iterator[str]:
    """Python's own server of files, which speaks HTTP/1.0."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    def handler(*arguments: Any) -> SimpleHTTPRequestHandler:
        return Quiet(*arguments, directory=str(home))

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@conversation
async def test_pythons_own_server_as_a_backend(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir(exist_ok=True)
    (tmp_path / "api" / "file").write_bytes(BODY)
    with files(tmp_path) as address:
        async with serving(address) as proxy, httpx.AsyncClient(trust_env=False) as client:
            base = f"http://127.0.0.1:{proxy.port}/api"
            answers = await asyncio.gather(*(client.get(f"{base}/file") for _ in range(20)))
            assert all(answer.content == BODY for answer in answers)
            assert (await client.get(f"{base}/none")).status_code == 404
            assert (await client.post(f"{base}/file")).status_code == 501
            assert proxy.in_flight == 0


@pytest.fixture
def nginx_files(tmp_path: Path) -> Iterator[str]:
    """The path of a unix socket behind which nginx has /api/file."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "file").write_bytes(BODY)
    # A socket's path must be short.
    path = f"/tmp/l7proxy-{tmp_path.stat().st_ino}.sock"
    more = (
        f"server {{ listen unix:{path}; root {tmp_path}; location = /api/moved {{ return 301 /x; }}"
        " location = /api/nothing { return 204; } }"
    )
    backends = Backends("a")
    try:
        with Nginx(backends, f"default_type text/plain; {more}", []):
            yield path
    finally:
        backends.close()
        Path(path).unlink(missing_ok=True)


@needs_nginx
@conversation
async def test_nginx_as_a_backend(nginx_files: str) -> None:
    async with (
        serving(f"unix:{nginx_files}") as proxy,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        base = f"http://127.0.0.1:{proxy.port}/api"
        answers = await asyncio.gather(*(client.get(f"{base}/file") for _ in range(50)))
        assert all(answer.content == BODY for answer in answers)
        part = await client.get(f"{base}/file", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, BODY[10:20])
        tag = {"If-None-Match": answers[0].headers["etag"]}
        assert (await client.get(f"{base}/file", headers=tag)).status_code == 304
        assert (await client.head(f"{base}/file")).headers["content-length"] == str(len(BODY))
        for name, status in (("none", 404), ("moved", 301), ("nothing", 204)):
            assert (await client.get(f"{base}/{name}")).status_code == status
        assert proxy.in_flight == 0
