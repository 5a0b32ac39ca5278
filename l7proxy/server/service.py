"""One configuration at work: everything that is decided when it is loaded, not per request."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import pointer_to
from l7proxy.core.exchange import MIRRORED
from l7proxy.core.http.local_reply import CRASHED
from l7proxy.core.proxy import Proxy
from l7proxy.http1 import Limits, RequestParser
from l7proxy.server.acceptor import most_descriptors
from l7proxy.server.clock import Clock
from l7proxy.server.forwarding import Forwarding
from l7proxy.server.preflight import NO_ENVELOPES
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.http import HttpUpstream
from l7proxy.upstreams.simulated import Simulated

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from random import Random

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.server.access_log import AccessLog
    from l7proxy.upstreams.base import Upstream
    from l7proxy.upstreams.http import ConnectionPools
    from l7proxy.upstreams.http.pool import ConnectionPool


class Service:
    """A configuration, its `Proxy`, and what connections need of both.

    A request belongs to the service that it began under until it has ended, also when another
    configuration has taken over meanwhile.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        loop: AbstractEventLoop,
        pools: ConnectionPools,
        *,
        access_log: AccessLog | None = None,
        log: Callable[[float, str], None] | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work."""
        server = config.server
        limits = server.limits
        self.config = config
        # Whoever guesses a session's id has the session: those that a client is given by a proxy
        # on the network follow from no seed.
        self.proxy = Proxy(config, random, log=log, secrets=secrets, sessions=SystemRandom())
        for name, pool_config in config.backend_pools.items():
            if pool_config.upstream == "envelope":
                at = pointer_to(config.pool_pointer(name), "upstream")
                raise ConfigError([Problem(at, NO_ENVELOPES)])
        parser = RequestParser(
            Limits(head=limits.head, line=limits.line, fields=limits.field_count)
        )
        self.parse = parser.parse
        self.forwarding = Forwarding(server)
        self.timeouts = server.timeouts
        self.max_body = limits.body
        self.half_closed_clients = server.half_closed_clients
        self.replay_limit = max(
            (pool.http.replay_limit for pool in config.backend_pools.values()), default=0
        )
        self.access_log = access_log
        upstreams: dict[str, Upstream] = {}
        for name, pool in self.proxy.pools.items():
            if pool.config.upstream == "http":
                upstreams[name] = HttpUpstream(pool, pools)
            else:
                upstreams[name] = Simulated(pool, self.proxy.streams)
        self.write_batcher = pools.write_batcher
        self.fair_queue = pools.fair_queue
        # Each copy may need a connection, and clients and their backends come first.
        most_copies = max(1, most_descriptors() // 4)
        self.dispatcher = Dispatcher(
            self.proxy, upstreams, _deliver, _crash, most_copies=most_copies
        )
        self.clock = Clock(loop, self.dispatcher)

    @property
    def connections(self) -> set[ConnectionPool]:
        """The connections to all backends that are spoken to over HTTP."""
        found: set[ConnectionPool] = set()
        for upstream in self.dispatcher.upstreams.values():
            if isinstance(upstream, HttpUpstream):
                found |= upstream.connections
        return found

    @property
    def is_over(self) -> bool:
        """Whether a service that was stopped has nothing left to do; then its clock rests."""
        return not self.proxy.requests and self.clock.rest()

    def start(self) -> None:
        """Starts the health checks and the clock."""
        self.clock.start()

    def stop(self) -> None:
        """Ends the health checks; what is in flight goes on to its end."""
        self.proxy.stop()


def _deliver(exchange: Exchange, now: float) -> None:
    exchange.owner.delivered(exchange, now)


def _crash(exchange: Exchange, error: Exception, now: float) -> None:
    """Answers an exchange that a bug has ended with a 500, and prints the traceback."""
    import sys
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    if exchange.owner is MIRRORED:
        return
    exchange.refuse(CRASHED)
    _deliver(exchange, now)
