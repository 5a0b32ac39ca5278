"""The connections to one backend: idle, at work, and being made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from l7proxy.core.config.policies import IDEMPOTENT
from l7proxy.core.http.local_reply import CRASHED, EXHAUSTED, TIMED_OUT, UNREACHABLE
from l7proxy.http1 import DEFAULT_LIMITS, BadResponse, Limits, ResponseParser
from l7proxy.http1.lenient import LenientResponseParser
from l7proxy.upstreams.exhaustion import is_exhausted
from l7proxy.upstreams.file_signature import stamp_of
from l7proxy.upstreams.http.connection import BackendConnection
from l7proxy.upstreams.http.connector import Connector
from l7proxy.upstreams.http.fair_queue import FairQueue
from l7proxy.upstreams.http.headers import host_field
from l7proxy.upstreams.http.probe import ProbeConnection
from l7proxy.upstreams.http.resolver import Lookups
from l7proxy.upstreams.http.write_batcher import WriteBatcher, put_at_once

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine

    from l7proxy.core.config.http import HttpConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.policies.health_check import Probe
    from l7proxy.upstreams.file_signature import Stamp
    from l7proxy.upstreams.http.connector import Opener
    from l7proxy.upstreams.http.downstream import Downstream
    from l7proxy.upstreams.http.resolver import Ask, Resolver


_LINE = DEFAULT_LIMITS.line
_MOMENT = 0.005
"""Seconds for which nothing is expected to come on a connection that was read from."""
_MARGIN = 1.0
"""Seconds by which a connection is closed before its backend would do so."""


class ConnectionPools:
    """Every backend's connections in one process, kept when the configuration changes."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        time: Callable[[], float] | None = None,
        ask: Ask | None = None,
    ) -> None:
        """`time` is the core's (seconds), where that is not the loop's; `ask` as in `Lookups`."""
        self.loop = loop
        self.lookups = Lookups(loop, ask)
        self.time = time or loop.time
        self.write_batcher = WriteBatcher(loop)
        self.fair_queue = FairQueue(loop)
        self._pools: dict[str, list[ConnectionPool]] = {}
        """By the backend's address: one for each of the settings that it is spoken to under."""
        self._leaving: list[ConnectionPool] = []
        """Those that finish what they have."""

    def get(self, address: str, config: HttpConfig) -> ConnectionPool:
        """The connections to `address` that are kept under these very settings.

        Raises ValueError, with a text for people, where the settings can't be put to work.
        """
        there = self._pools.get(address, [])
        for pool in there:
            if pool.serves(config):
                return pool
        pool = ConnectionPool(self, address, config)
        self._pools[address] = [*there, pool]
        return pool

    def keep_only(self, wanted: set[ConnectionPool]) -> None:
        """Retires the pools that are not in `wanted`: they finish what is under way."""
        for address, there in list(self._pools.items()):
            kept = [pool for pool in there if pool in wanted]
            for pool in there:
                if pool not in wanted:
                    pool.retire()
                    self.leaves(pool)
            if kept:
                self._pools[address] = kept
            else:
                del self._pools[address]

    def leaves(self, pool: ConnectionPool) -> None:
        """Goes on sweeping a retired pool until it has finished what is under way."""
        if pool not in self._leaving:
            self._leaving.append(pool)

    def sweep(self, now: float) -> None:
        """Ends what is overdue by `now`; call it about once a second."""
        for pool in self.all_pools():
            pool.sweep(now)
        self._leaving = [pool for pool in self._leaving if pool.busy]

    def close(self) -> None:
        """Closes every connection."""
        for pool in self.all_pools():
            pool.close()

    def all_pools(self) -> list[ConnectionPool]:
        """Returns all pools, those included that only finish what is under way."""
        return [*self._leaving, *(pool for there in self._pools.values() for pool in there)]


class ConnectionPool:
    """Connections to one backend, all under the same settings.

    The most recently used connection goes first: it is the least likely to have been closed by
    the backend meanwhile, and the others can grow old and be dropped.
    """

    def __init__(
        self,
        pools: ConnectionPools,
        address: str,
        config: HttpConfig,
    ) -> None:
        self._pools = pools
        self.loop = pools.loop
        self.time = pools.time
        self.write_batcher = pools.write_batcher
        self.fair_queue = pools.fair_queue
        self.address = address
        self.config = config
        head = config.limits.head
        limits = Limits(head=head, line=min(_LINE, head - 4), fields=config.limits.field_count)
        parser = ResponseParser if config.strict_backends else LenientResponseParser
        self.parser = parser(limits)
        self.idle: list[BackendConnection] = []
        """Those that may be used again, the most recently used last."""
        self.connections: set[BackendConnection] = set()
        self.connecting: set[asyncio.Task[None]] = set()
        self._keep = config.max_idle if config.keep_alive else 0
        self._retired = False
        self._is_encrypted = address.startswith("https://")
        self._trusts = _trusts(config)
        self.host = host_field(address)
        """What a backend is called in a Host of our own."""
        self.connector: Opener = Connector(pools.loop, pools.lookups, address, config)

    @property
    def resolver(self) -> Resolver:
        """What knows the addresses of the backend's name."""
        return self.connector.resolver

    def serves(self, config: HttpConfig) -> bool:
        """Whether its connections are as these settings ask for, the file that they name included.

        A connection that was made under another CA file would say nothing of the present one.
        """
        return self.config == config and self._trusts == _trusts(config)

    def send(self, exchange: Exchange, downstream: Downstream, now: float) -> None:
        """Sends the exchange's request over an idle connection, or a new one if there is none.

        Before that its socket is asked whether anything has come: what nobody has asked for must
        not become this request's answer, and if it is the end, the request would be lost. To ask
        takes a twentieth of a request's time, so where that could be sent once more, a connection
        is not asked that was read from a moment ago.
        """
        idle, repeatable = self.idle, exchange.request.method in IDEMPOTENT
        settled = now - _MOMENT
        while idle:
            connection = idle.pop()
            if (repeatable and connection.idle_since > settled) or not connection.is_readable():
                # What must not be sent twice goes at once: what was found out holds only for now.
                put = self.write_batcher.put if repeatable else put_at_once
                connection.send(exchange, downstream, now, put)
                return
            connection.close()
        self.connect(exchange, downstream)

    def connect(self, exchange: Exchange, downstream: Downstream) -> None:
        """Sends the exchange's request over a new connection."""
        if self._retired:
            self._pools.leaves(self)
        connecting = _Connecting(self, exchange, downstream)
        exchange.on_abandon = connecting.abandon
        self._go(connecting.run())

    def give_back(self, connection: BackendConnection) -> None:
        """Keeps a connection for later requests, or closes it where enough are idle."""
        if len(self.idle) < self._keep:
            self.idle.append(connection)
        else:
            connection.close()

    def check_end(self, transport: asyncio.Transport) -> None:
        """Raises `BadResponse` where the end of a connection is not that of a body.

        Anybody on the way can cut off TCP: over TLS the backend has to say so (RFC 9112, 9.8).
        """
        if self._is_encrypted:
            from l7proxy.upstreams.http.tls import said_goodbye

            if not said_goodbye(transport):
                raise BadResponse("TLS was cut off")

    @property
    def busy(self) -> bool:
        """Whether there is any connection, or one being made."""
        return bool(self.connections or self.connecting)

    def lost(self, connection: BackendConnection) -> None:
        """Forgets a connection that is gone."""
        self.connections.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Ends what is overdue by `now`."""
        kept = min(self.config.idle_timeout, max(self.parser.idle_limit - _MARGIN, 0.0))
        idle, oldest = self.idle, now - kept
        # Last used, last in the list: the first that is young enough ends the search.
        expired = 0
        while expired < len(idle) and idle[expired].idle_since < oldest:
            expired += 1
        for connection in idle[:expired]:
            connection.close()
        del idle[:expired]
        stalled = now - self.config.between_bytes_timeout
        for connection in [c for c in self.connections if c.stalled_since < stalled]:
            connection.stalled()
        if self.resolver.is_due and not self._retired:
            # Connections in use don't show that the addresses of the name have changed.
            self.resolver.refresh()
        if self.resolver.moved:
            self._leave_old_addresses()

    def _leave_old_addresses(self) -> None:
        """Closes connections to addresses that the name no longer has, once they are idle."""
        old = {c for c in self.connections if not self.resolver.has(c.peer)}
        leaving = [connection for connection in self.idle if connection in old]
        for connection in leaving:
            self.idle.remove(connection)
            connection.close()
        self.resolver.moved = len(leaving) < len(old)

    def retire(self) -> None:
        """Closes what is idle or becomes so: the backend gets no new requests."""
        self._keep = 0
        self._retired = True
        for connection in self.idle:
            connection.close()
        self.idle.clear()

    def close(self) -> None:
        """Closes all connections at once, whatever is under way."""
        self.retire()
        for task in self.connecting:
            task.cancel()
        for connection in list(self.connections):
            connection.abort()

    def probe(self, probe: Probe, now: float) -> None:
        """Carries out a health check."""
        connection = ProbeConnection(self, probe)

        async def run() -> None:
            try:
                await self.connector.open(lambda: connection)
            except OSError as error:
                if is_exhausted(error):
                    # It says nothing about the backend: the next check may.
                    probe.cancel()
                else:
                    connection.report(None)

        connection.give_up = self._go(run()).cancel

    def _go(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)
        return task


def _trusts(config: HttpConfig) -> Stamp | None:
    return None if config.tls.ca_file is None else stamp_of(config.tls.ca_file)


class _Connecting:
    """A connection being made for an exchange.

    An exchange that gives up does not end it: the connection joins the idle ones.
    """

    def __init__(self, pool: ConnectionPool, exchange: Exchange, downstream: Downstream) -> None:
        self._pool = pool
        self._downstream = downstream
        self._exchange: Exchange | None = exchange

    def abandon(self) -> None:
        self._exchange = None

    async def run(self) -> None:
        pool = self._pool
        connection = local_reply = None
        is_ours = False
        try:
            connection = await pool.connector.open(lambda: BackendConnection(pool))
        except TimeoutError:
            local_reply = TIMED_OUT.with_detail("connecting")
        except OSError as error:
            reason = error.strerror or str(error)
            is_ours = is_exhausted(error)
            local_reply = (EXHAUSTED if is_ours else UNREACHABLE).with_detail(reason)
        now, exchange = pool.time(), self._exchange
        if exchange is None:
            if connection is not None:
                connection.idle_since = now
                pool.give_back(connection)
        elif connection is not None:
            try:
                connection.send(exchange, self._downstream, now, pool.write_batcher.put)
            except Exception:
                connection.abort()
                exchange.reject(CRASHED, now)
                exchange.dispatch(exchange, now)
                # The loop writes down what went wrong.
                raise
        else:
            assert local_reply is not None
            if is_ours:
                exchange.reject(local_reply, now)
            else:
                exchange.failed(local_reply, now, sent=False)
            exchange.dispatch(exchange, now)
