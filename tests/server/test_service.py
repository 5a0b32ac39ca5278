"""What a configuration at work does about a bug, and about upstreams of other kinds."""

from __future__ import annotations

import asyncio
import gc

import pytest

from l7proxy.core.config import config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.http.messages import HttpRequest, HttpResponse
from l7proxy.server.client_request import ClientRequest
from l7proxy.upstreams.base import Upstream

from .support import FakeBackend, conversation, pool_config, serving, until

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
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        pool = proxy.server.service.proxy.pools["api"]
        client = await proxy.connect()
        with monkeypatch.context() as patched:
            patched.setattr(pool.selector, "pick", lambda request, avoid: 1 / 0)
            assert (await client.get("/api/x")).startswith(b"HTTP/1.1 500 ")
        assert (await client.get("/api/x")).endswith(b"ok")
        assert proxy.in_flight == 0
    assert capsys.readouterr().err.endswith("ZeroDivisionError: division by zero\n")


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
