"""The upstream of pools whose backends speak HTTP."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import pointer_to
from l7proxy.core.exchange import MIRRORED
from l7proxy.core.http.local_reply import BAD_REQUEST, UNREACHABLE
from l7proxy.upstreams.base import Upstream
from l7proxy.upstreams.http.buffered import Buffered

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.policies.health_check import Probe
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.upstreams.http.downstream import Downstream
    from l7proxy.upstreams.http.pool import ConnectionPool, ConnectionPools
    from l7proxy.upstreams.http.response_memory import ResponseMemory


class _Connections(dict["Backend | None", "ConnectionPool"]):
    """The connections to each backend of a pool; those to a new one are made when it is used."""

    def __init__(self, pool: Pool, pools: ConnectionPools) -> None:
        """Raises ValueError, with a text for people, where the settings can't be put to work."""
        self._pool = pool
        self._get = partial(pools.get, config=pool.config.http)
        super().__init__((backend, self._get(backend.address)) for backend in pool.backends)

    def __missing__(self, backend: Backend) -> ConnectionPool | _Unusable:
        for gone in self.keys() - set(self._pool.backends):
            del self[gone]
        try:
            made = self[backend] = self._get(backend.address)
        except ValueError as error:
            # A file that the settings name is gone by now, and may be back the next time.
            return _Unusable(str(error))
        return made


class _Unusable:
    """Stands for the connections to a backend that can't be had under its settings."""

    def __init__(self, why: str) -> None:
        self._local_reply = UNREACHABLE.with_detail(why)

    def send(self, exchange: Exchange, downstream: Downstream, now: float) -> None:
        exchange.failed(self._local_reply, now, sent=False)

    def probe(self, probe: Probe, now: float) -> None:
        probe.failed(now)


class HttpUpstream(Upstream):
    """Carries out attempts over pooled connections.

    Every `exchange.owner` is a `Downstream`, but for mirrored copies.
    """

    def __init__(self, pool: Pool, pools: ConnectionPools) -> None:
        """Raises `ConfigError` where the pool's settings can't be put to work."""
        try:
            self._connections = _Connections(pool, pools)
        except ValueError as error:
            at = pointer_to(pool.pointer, "http")
            raise ConfigError([Problem(pointer_to(at, "tls"), str(error))]) from None

    def start(self, exchange: Exchange, now: float) -> None:
        # While a body is still coming from the client, the time it takes says nothing about the
        # backend: the attempt's deadline begins with the body's end.
        if exchange.owner is MIRRORED:
            downstream: Downstream = Buffered(exchange, keep=False, overwrite=True)
        else:
            downstream = exchange.owner
        body = downstream.body
        if body is None or body.complete:
            exchange.started(now)
        self._connections[exchange.backend].send(exchange, downstream, now)

    @property
    def connections(self) -> set[ConnectionPool]:
        """Its backends' connections."""
        return set(self._connections.values())

    def probe(self, probe: Probe, now: float) -> None:
        self._connections[probe.backend].probe(probe, now)


class BufferedUpstream(HttpUpstream):
    """Carries out attempts whose requests are there as a whole, and whose responses are kept.

    `exchange.owner` is the shell's own. A response larger than `limit` bytes counts as garbage, and
    all that are not complete share `memory`.
    """

    def __init__(
        self, pool: Pool, pools: ConnectionPools, limit: int, memory: ResponseMemory | None = None
    ) -> None:
        super().__init__(pool, pools)
        self._limit = limit
        self._memory = memory

    def start(self, exchange: Exchange, now: float) -> None:
        keep = exchange.owner is not MIRRORED
        buffered = Buffered(exchange, keep=keep, limit=self._limit, memory=self._memory)
        try:
            buffered.request_head(exchange)
        except ValueError as error:
            exchange.reject(BAD_REQUEST.with_detail(str(error)), now)
            return
        exchange.started(now)
        self._connections[exchange.backend].send(exchange, buffered, now)
