"""A health check over HTTP: a connection of its own, one GET, and the status of the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from l7proxy.core.callbacks import ignore
from l7proxy.http1 import BadResponse, check_interims
from l7proxy.http1.serialise import request_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.policies.health_check import Probe
    from l7proxy.http1 import ResponseHead


class HeadReader(Protocol):
    """Parses the heads of responses, as `ResponseParser` does."""

    def parse(
        self, data: bytes, start: int = 0, scanned: int = 0
    ) -> tuple[ResponseHead, int] | None: ...


class Asking(Protocol):
    """What a check needs of the pool of connections: what it asks, and how it tells the time."""

    host: str
    time: Callable[[], float]

    @property
    def parser(self) -> HeadReader: ...


class ProbeConnection(asyncio.Protocol):
    """Sends one request and reports the answer to the probe.

    A new connection each time: that the backend still accepts connections is part of being well.
    """

    def __init__(self, pool: Asking, probe: Probe) -> None:
        self._pool = pool
        self._probe: Probe | None = probe
        self._pending = b""
        """What has come of a head."""
        self._interims = 0
        self._transport: asyncio.Transport | None = None
        self.give_up: Callable[[], object] = ignore
        """Ends the attempt to connect; set by who makes it."""
        probe.on_abandon = self.abandon

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but inheritance.
        self._transport = writable = cast("asyncio.Transport", transport)
        if self._probe is None:
            writable.close()
            return
        host = self._pool.host
        fields = (("Host", host), ("User-Agent", "l7proxy-health"), ("Connection", "close"))
        writable.write(request_head("GET", self._probe.path, fields))

    def data_received(self, data: bytes) -> None:
        scanned = len(self._pending)
        data = self._pending + data
        start = 0
        try:
            while (parsed := self._pool.parser.parse(data, start, scanned)) is not None:
                head, start = parsed
                if not head.interim:
                    self.report(head.status)
                    return
                self._interims += 1
                check_interims(self._interims)
        except BadResponse:
            self.report(None)
        else:
            self._pending = data[start:]

    def connection_lost(self, error: Exception | None) -> None:
        self.report(None)

    def report(self, status: int | None) -> None:
        """Tells the probe, once, and closes."""
        probe, self._probe = self._probe, None
        if probe is not None:
            now = self._pool.time()
            if status is None:
                probe.failed(now)
            else:
                probe.answered(status, now)
        self.abandon()

    def abandon(self) -> None:
        """Gives the check up: nothing is reported any more."""
        self._probe = None
        if self._transport is not None:
            self._transport.abort()
        else:
            self.give_up()
