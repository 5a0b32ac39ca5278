"""What a configuration at work does about a bug, and about upstreams of other kinds."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from l7proxy.core.config import config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.http.messages import HttpRequest, HttpResponse
from l7proxy.core.proxy import Proxy
from l7proxy.server.client_request import ClientRequest
from l7proxy.upstreams.base import Upstream
from tests.builds import needs_pure

from .support import FakeBackend, conversation, held, pool_config, serving, until

POST = b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"


class Buggy(Upstream):
    """An upstream with a bug that only some requests meet."""

    def __init__(self, sound: Upstream) -> None:
        self._sound = sound

    def start(self, exchange: Exchange, now: float) -> None:
        if exchange.request.target.endswith("/bug"):
            raise ZeroDivisionError("a bug")
        self._sound.start(exchange, now)


class Whole(Upstream):
    """Answers a request in the very moment in which its body is complete."""

    def start(self, exchange: Exchange, now: float) -> None:
        exchange.started(now)

        def answer(request: HttpRequest | None, now: float) -> None:
            assert request is not None
            exchange.answered(HttpResponse(200, None, request.body), now)
            self.dispatch(exchange, now)

        exchange.request.when_buffered(answer, now)


@conversation
async def test_the_next_request_begins_when_the_end_of_a_body_brings_its_answer() -> None:
    async with serving(FakeBackend()) as proxy:
        upstreams = proxy.server.service.dispatcher.upstreams
        upstreams["api"] = Whole()  # type: ignore[index]
        client = await proxy.connect()
        for head, rest in ((POST + b"a", b"bc"), (POST, b"abc"), (POST + b"abc", b"")):
            await client.say(head)
            if rest:
                await until(lambda: proxy.in_flight == 1)
            await client.say(rest + b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.response()).endswith(b"\r\n\r\nabc")
            assert (await client.response()).startswith(b"HTTP/1.1 404 ")


@conversation
async def test_a_bug_gets_500_and_a_traceback_on_stderr_and_the_connection_lives_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        upstreams = proxy.server.service.dispatcher.upstreams
        upstreams["api"] = Buggy(upstreams["api"])  # type: ignore[index]
        client = await proxy.connect()
        refused = await client.get("/api/bug")
        assert refused.startswith(b"HTTP/1.1 500 ")
        assert refused.endswith(b"the proxy has a bug; its log says more\n")
        assert proxy.in_flight == 0
        assert (await client.get("/api/x")).endswith(b"ok")
    err = capsys.readouterr().err
    assert err.startswith("Traceback ") and err.endswith("ZeroDivisionError: a bug\n")


@conversation
async def test_a_bug_in_a_selector_gets_500_and_costs_nobody_a_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = FakeBackend()
    async with serving(backend, algorithm="tests.node.misbehaving:BuggySelector") as proxy:
        client = await proxy.connect()
        assert (await client.get("/api/bug")).startswith(b"HTTP/1.1 500 ")
        assert (await client.get("/api/x")).endswith(b"ok")
        assert proxy.in_flight == 0
    assert capsys.readouterr().err.endswith("ZeroDivisionError: a bug\n")


@conversation
async def test_a_bug_that_only_a_mirrored_copy_meets_is_told_on_stderr_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        route = {"path_pattern": "/*", "backend_pool": "api", "mirror": "copy"}
        pools = {"api": pool_config(backend), "copy": pool_config(backend)}
        proxy.server.reload(config_from({"backend_pools": pools, "routes": [route]}))
        upstreams = proxy.server.service.dispatcher.upstreams
        upstreams["copy"] = Buggy(upstreams["copy"])  # type: ignore[index]
        client = await proxy.connect()
        assert (await client.get("/bug")).endswith(b"ok")
        await until(lambda: proxy.in_flight == 0)
    assert capsys.readouterr().err.endswith("ZeroDivisionError: a bug\n")


@needs_pure
@conversation
async def test_a_bug_met_on_a_new_connection_gets_500_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: met.append(context["exception"])
    )
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        with monkeypatch.context() as patched:
            patched.setattr(ClientRequest, "request_head", lambda self, exchange: 1 / 0)
            assert (await client.get()).startswith(b"HTTP/1.1 500 ")
        assert (await client.get()).endswith(b"ok")
        assert proxy.in_flight == 0
    gc.collect()
    assert [str(error) for error in met] == ["division by zero"]


@conversation
async def test_a_configuration_that_is_over_is_let_go() -> None:
    """Whatever its clients do: one waits between two requests, one in the middle of a head."""
    release = asyncio.Event()
    backend = FakeBackend(held(release))
    timeouts = {"attempt": 3600}
    async with serving(backend, timeouts=timeouts) as proxy:
        server, over = proxy.server, []
        server.on_over = lambda: over.append(gc.collect())
        waiting = await proxy.connect()
        await waiting.get("/none")
        begun = await proxy.connect()
        await begun.say(b"GET /none HTTP/1.1\r\n")
        slow = await proxy.connect()
        await slow.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: proxy.in_flight == 1)
        await until(lambda: any(c.read_ahead for c in server.listener.connections))
        known = _proxies()
        pools = {"api": pool_config(backend, timeouts=timeouts)}
        for _ in range(3):
            server.reload(config_from({"backend_pools": pools}))
        server.sweep(proxy.clock())
        # Those between had nothing to do; the first one still waits for an answer.
        assert (len(over), _proxies() - known) == (1, 1)
        server.sweep(proxy.clock())
        assert len(over) == 1
        release.set()
        assert (await slow.response()).endswith(b"ok")
        server.sweep(proxy.clock())
        assert (len(over), _proxies() - known) == (2, 0)
        await begun.say(b"Host: a\r\n\r\n")
        assert (await begun.response()).startswith(b"HTTP/1.1 404 ")


def _proxies() -> int:
    """How many there are in this process."""
    gc.collect()
    return sum(type(one) is Proxy for one in gc.get_objects())


@conversation
async def test_a_log_that_no_configuration_writes_any_more_is_closed() -> None:
    backend = FakeBackend()
    with TemporaryDirectory() as folder:
        files = [Path(folder) / str(number) for number in range(5)]
        async with serving(backend, server={"access_log": {"path": str(files[0])}}) as proxy:
            client = await proxy.connect()
            await client.get()
            for file in files[1:]:
                server = {"access_log": {"path": str(file)}}
                pools = {"api": pool_config(backend)}
                proxy.server.reload(config_from({"backend_pools": pools, "server": server}))
            assert _open_in(folder) == sorted(map(str, files))
            proxy.server.sweep(proxy.clock())
            await until(lambda: _open_in(folder) == [str(files[-1])])
            await client.get()
        assert [file.read_text().count("\n") for file in files] == [1, 0, 0, 0, 1]


def _open_in(folder: str) -> list[str]:
    """The files in a folder that this process has open."""
    names = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            names.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return sorted(name for name in names if name.startswith(folder))
