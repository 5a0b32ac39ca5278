"""One health check over HTTP, byte by byte."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from l7proxy.core import Proxy, config_from
from l7proxy.core.policies.health_check import Probe
from l7proxy.http1 import DEFAULT_LIMITS, ResponseParser
from l7proxy.http1.serialise import CONTINUE
from l7proxy.upstreams.http.probe import ProbeConnection

NOW = 7.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Transport:
    """What was written to the backend, and whether the connection is still there."""

    def __init__(self) -> None:
        self.written = b""
        self.open = True

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.open = False

    abort = close


class Check:
    """A check, its connection, and what it came to: (status or None, time)."""

    def __init__(self) -> None:
        proxy = Proxy(config_from({"backends": ["a:1"]}), Random(0))
        pool = proxy.pools["default"]
        self.timers = pool.timers
        self.outcome: list[tuple[int | None, float]] = []
        self.probe = Probe(pool, pool.backends[0], "/health", NOW + 1, self._done)
        self.parser: Any = SimpleNamespace(parse=ResponseParser().parse)
        connections: Any = SimpleNamespace(host="a:1", parser=self.parser, time=lambda: NOW)
        self.connection = ProbeConnection(connections, self.probe)
        self.transport = Transport()

    def _done(self, status: int | None, now: float) -> None:
        self.outcome.append((status, now))

    def connect(self) -> None:
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def hear(self, *pieces: bytes) -> None:
        self.connect()
        for piece in pieces:
            self.connection.data_received(piece)


def test_it_asks_once_on_a_connection_that_nobody_else_uses() -> None:
    check = Check()
    check.connect()
    assert check.transport.written == (
        b"GET /health HTTP/1.1\r\nHost: a:1\r\nUser-Agent: l7proxy-health\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert check.transport.open and check.outcome == []


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("said", "outcome"), [
    (OK, 200),
    (b"HTTP/1.0 503 Busy\r\n\r\n", 503),
    (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 200),
    (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", None),
    (CONTINUE * DEFAULT_LIMITS.interim + OK, 200),
    (CONTINUE * (DEFAULT_LIMITS.interim + 1), None),
    (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 5000, None),
])  # fmt: skip
def test_what_counts_is_the_status_of_the_final_response(
    said: bytes, outcome: int | None, size: int
) -> None:
    check = Check()
    check.hear(*(said[at : at + size] for at in range(0, len(said), size)))
    assert check.outcome == [(outcome, NOW)]
    assert not check.transport.open
    check.connection.connection_lost(None)
    assert check.outcome == [(outcome, NOW)]


@pytest.mark.parametrize("said", [b"", OK[:20], b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_a_connection_that_ends_before_the_answer_is_a_failure(said: bytes) -> None:
    check = Check()
    check.hear(said)
    check.connection.connection_lost(None)
    assert check.outcome == [(None, NOW)]


def test_no_interim_response_is_parsed_twice() -> None:
    check = Check()
    given: list[bytes] = []

    def parse(data: bytes, start: int, scanned: int) -> Any:
        given.append(data[start:])
        return ResponseParser().parse(data, start, scanned)

    check.parser.parse = parse
    check.hear(CONTINUE, CONTINUE + CONTINUE[:9], CONTINUE[9:])
    assert given == [CONTINUE, b"", CONTINUE + CONTINUE[:9], CONTINUE[:9], CONTINUE, b""]
    assert check.outcome == []


def test_a_check_that_is_overdue_ends_the_connection() -> None:
    check = Check()
    check.hear(OK[:20])
    check.timers.advance(NOW + 1)
    assert check.outcome == [(None, NOW + 1)]
    assert not check.transport.open
    check.connection.connection_lost(None)
    assert check.outcome == [(None, NOW + 1)]


def test_a_connection_that_comes_when_nobody_waits_any_more_is_closed_unused() -> None:
    check = Check()
    check.probe.cancel()
    check.connect()
    assert not check.transport.open
    assert check.transport.written == b"" and check.outcome == []
