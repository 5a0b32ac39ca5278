"""Brings exchanges, the upstreams that carry out their attempts, and their shell together."""

from __future__ import annotations

from functools import partial

from l7proxy.core.exchange import MIRRORED, Exchange
from l7proxy.core.exchange_state import ATTEMPTING, ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.http.target import Target
    from l7proxy.core.proxy import Proxy
    from l7proxy.upstreams.base import Upstream

TOO_LARGE_TO_COPY = "requests whose bodies are too large to be kept are not mirrored"
TOO_MANY_COPIES = "requests are not mirrored while too many copies wait for their answers"


class Dispatcher:
    """Starts the attempts that exchanges ask for, and delivers those that have ended.

    `upstreams` has one for each pool, by name. `deliver(exchange, now)` is called once for each
    exchange, when it has ended, or `crashed(exchange, error, now)` where a bug ended it; nothing
    is called for one that was cancelled. Of a copy for a mirror, whose owner is `MIRRORED`, only
    bugs are told.
    """

    def __init__(
        self,
        proxy: Proxy,
        upstreams: Mapping[str, Upstream],
        deliver: Callable[[Exchange, float], None],
        crashed: Callable[[Exchange, Exception, float], None],
        *,
        most_copies: int | None = None,
    ) -> None:
        """`most_copies` is how many copies for mirrors may be under way; None for any number."""
        self.proxy = proxy
        self.upstreams = upstreams
        self.deliver = deliver
        self._crashed = crashed
        self._most_copies = most_copies
        self._copies: set[Exchange] = set()
        """Those for mirrors that are under way."""
        self._advance = self.advance
        self._decide = proxy.decide
        self._ready = proxy.ready
        self._advancing = False
        """Whether what came up is being taken on just now."""

    def open(
        self,
        request: HttpRequest,
        owner: Any,
        now: float,
        target: Target | None = None,
        kind: type[Exchange] = Exchange,
    ) -> Exchange:
        """Opens an exchange for the request and takes it as far as it gets at once.

        `target` is the request's, where the shell knows it already.
        """
        exchange = kind(self.proxy, request, now, owner, self._advance)
        try:
            self._decide(exchange, now, target)
        except Exception as error:
            self._give_up(exchange, error, now)
        self._step(exchange, now)
        if exchange.mirror is not None:
            exchange.request.when_buffered(partial(self._send_copy, exchange), now)
        if self._ready:
            self.advance_ready(now)
        return exchange

    def advance(self, exchange: Exchange, now: float) -> None:
        """Advances an exchange after a change: starts its next attempt, or delivers its end."""
        self._step(exchange, now)
        if self.proxy.ready:
            self.advance_ready(now)

    def advance_ready(self, now: float) -> None:
        """Advances what came up by itself: a deadline, a place became free, a check is due.

        What comes up meanwhile has its turn after that. Were it taken on within, every answer
        whose client has another request waiting would go one level deeper.
        """
        if self._advancing:
            return
        self._advancing = True
        ready, probes = self.proxy.ready, self.proxy.probes
        try:
            while ready or probes:
                while ready:
                    exchange, bug = ready.popitem(last=False)
                    if bug is None:
                        self._step(exchange, now)
                    else:
                        self._give_up(exchange, bug, now)
                if probes:
                    probe = probes.popleft()
                    if not probe.over:
                        self.upstreams[probe.pool.name].probe(probe, now)
        finally:
            self._advancing = False

    def cancel(self, exchange: Exchange, now: float) -> None:
        """Ends the exchange of a client that is gone, and starts the one that gets its place."""
        exchange.cancelled(now)
        self.advance_ready(now)

    def run_until(self, now: float) -> None:
        """Runs everything that is due by `now` (seconds), each at the time it is due."""
        timers = self.proxy.timers
        while (due := timers.next_deadline()) is not None and due <= now:
            timers.advance(due)
            self.advance_ready(due)

    def catch_up(self, now: float) -> None:
        """Runs everything that is due by `now` (seconds), at `now`, which is real time."""
        self.proxy.timers.catch_up(now)
        self.advance_ready(now)

    def _send_copy(self, exchange: Exchange, request: HttpRequest | None, now: float) -> None:
        """Sends a copy of the exchange to its mirror; `request` is its own, if all of it is there.

        A mirror is asked for nothing before the body is there, so that it is not to blame for a
        client that is slow, and has no request that breaks off.
        """
        assert exchange.mirror is not None
        if request is None:
            exchange.mirror.miss_copy(TOO_LARGE_TO_COPY, now)
            return
        if self._most_copies is not None and len(self._copies) >= self._most_copies:
            exchange.mirror.miss_copy(TOO_MANY_COPIES, now)
            return
        copy = exchange.copy_with(request, now)
        self._copies.add(copy)
        try:
            copy.select(exchange.mirror, now)
        except Exception as error:
            self._give_up(copy, error, now)
        self._advance(copy, now)

    def _step(self, exchange: Exchange, now: float) -> None:
        try:
            while exchange.needs_start and exchange.state is ATTEMPTING:
                exchange.needs_start = False
                assert exchange.pool is not None
                self.upstreams[exchange.pool.name].start(exchange, now)
            if exchange.state is ENDED and not exchange.is_delivered:
                exchange.is_delivered = True
                if exchange.owner is not MIRRORED:
                    self.deliver(exchange, now)
                else:
                    self._copies.discard(exchange)
        except Exception as error:
            self._give_up(exchange, error, now)

    def _give_up(self, exchange: Exchange, error: Exception, now: float) -> None:
        """Ends an exchange in which a bug was met; it costs no other request its place."""
        exchange.cancelled(now)
        self._copies.discard(exchange)
        self._crashed(exchange, error, now)
