"""What a configuration at work does about a bug."""

from __future__ import annotations

import pytest

from l7proxy.core.exchange import Exchange
from l7proxy.upstreams.base import Upstream

from .support import FakeBackend, conversation, serving


class Buggy(Upstream):
    """An upstream with a bug that only some requests meet."""

    def __init__(self, sound: Upstream) -> None:
        self._sound = sound

    def start(self, exchange: Exchange, now: float) -> None:
        if exchange.request.target.endswith("/bug"):
            raise ZeroDivisionError("a bug")
        self._sound.start(exchange, now)


@conversation
async def test_a_bug_gets_500_and_a_traceback_on_stderr_and_the_connection_lives_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        upstreams = proxy.server.service.carrier.upstreams
        upstreams["api"] = Buggy(upstreams["api"])  # type: ignore[index]
        client = await proxy.connect()
        refused = await client.get("/api/bug")
        assert refused.startswith(b"HTTP/1.1 500 ")
        assert refused.endswith(b"the proxy has a bug; its log says more\n")
        assert proxy.in_flight == 0
        assert (await client.get("/api/x")).endswith(b"ok")
    err = capsys.readouterr().err
    assert err.startswith("Traceback ") and err.endswith("ZeroDivisionError: a bug\n")
