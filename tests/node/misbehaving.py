"""Upstreams and a selector that do what those of the package never do."""

from __future__ import annotations

from collections.abc import Collection

from l7proxy.core import HttpRequest, Selector
from l7proxy.core.exchange import Exchange
from l7proxy.core.policies.health_check import Probe
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.pool import Pool
from l7proxy.core.random_streams import RandomStreams
from l7proxy.upstreams.base import Upstream
from l7proxy.upstreams.simulated import Simulated


class Late(Upstream):
    """Takes every attempt and ends none by itself."""

    def __init__(self, pool: Pool, streams: RandomStreams) -> None:
        """The arguments are those that every upstream is made with."""

    def start(self, exchange: Exchange, now: float) -> None:
        exchange.started(now)


class Buggy(Upstream):
    """A simulated upstream with a bug in requests for /bug, and one in health checks."""

    def __init__(self, pool: Pool, streams: RandomStreams) -> None:
        self._simulated = Simulated(pool, streams)

    def start(self, exchange: Exchange, now: float) -> None:
        if exchange.forward_path == "/bug":
            raise ZeroDivisionError("a bug")
        self._simulated.start(exchange, now)

    def probe(self, probe: Probe, now: float) -> None:
        raise RuntimeError("a bug")


class BuggySelector(Selector):
    """Has a bug in requests for paths that end in /bug."""

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        if request is not None and request.target.endswith("/bug"):
            raise ZeroDivisionError("a bug")
        return self.eligible[0]
