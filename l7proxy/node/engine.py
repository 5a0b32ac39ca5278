"""The engine: configurations at work, in wall or virtual time, whatever requests come from.

Its shell opens an exchange for each request and lets time pass; callbacks tell it what comes of
both. The node adds a conversation in envelopes to it, the replay node nothing but a number for
each request.
"""

from __future__ import annotations

from collections import deque

from l7proxy.core.callbacks import ignore
from l7proxy.core.exchange import MIRRORED, Exchange
from l7proxy.core.exchange_state import ENDED
from l7proxy.core.http.local_reply import DRAINING, OVERLOADED
from l7proxy.core.proxy import Proxy
from l7proxy.core.timers import Timers
from l7proxy.envelope.errors import BadMember
from l7proxy.node.clock import Clock
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.simulated import Simulated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.random_streams import RandomStreams
    from l7proxy.upstreams.base import Upstream

    MakeUpstream = Callable[[Pool, RandomStreams], Upstream]

SIMULATED: dict[str, MakeUpstream] = {
    "simulated": Simulated,
    "envelope": Simulated,
    "http": Simulated,
}
"""What makes the upstream of a pool, by the pool's `upstream`: here every one is simulated."""


MOST_IN_FLIGHT = 100_000
"""Requests in flight, of some 2.5 KB each, from which on more are answered 503."""
MOST_IN_VAIN = 10_000
"""Instants in a row at which no request ends before health checks are stopped at the end."""


class Engine:
    """The configuration in force, at work, and those before it, which finish what they have.

    The callbacks, whose `now` is the core's time in seconds:

    - `on_delivered(exchange, now)`: an exchange has its response, or its response broke off;
    - `on_crashed(exchange, error, now)`: a bug ended an exchange, which has no response; None in
      place of the exchange where the bug concerns no request of the shell's;
    - `on_pending(exchange)`: an exchange was opened whose end comes later;
    - `on_configured(proxy)`: a configuration was put to work;
    - `on_note(now, text)`: the state of a backend or of a pool has changed.

    `most_in_flight` requests may be in flight; what comes beyond them is answered 503.
    `upstreams` makes the upstream of each pool. With `real_time` some of them take real time: then
    there is no virtual time, and only `advance` says what is late.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        on_delivered: Callable[[Exchange, float], None],
        on_crashed: Callable[[Exchange | None, Exception, float], None],
        *,
        on_pending: Callable[[Exchange], None] = ignore,
        on_configured: Callable[[Proxy], None] = ignore,
        on_note: Callable[[float, str], None] = ignore,
        upstreams: Mapping[str, MakeUpstream] = SIMULATED,
        secrets: Secrets | None = None,
        virtual_time: bool = False,
        real_time: bool = False,
        most_in_flight: int = MOST_IN_FLIGHT,
        allowed: Collection[str] = (),
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work.

        `secrets` reads the keys that a configuration names; see `core.affinity.Secrets`. `allowed`
        are the names outside (see `core.config.outside`) that messages may use beside those in
        this configuration.
        """
        self._began_with = config
        self._also_allowed = allowed
        self._random = random
        self._on_delivered = on_delivered
        self._on_crashed = on_crashed
        self._on_pending = on_pending
        self._on_configured = on_configured
        self._on_note = on_note
        self._upstreams = upstreams
        self._secrets = secrets
        self.clock = Clock(virtual=virtual_time)
        self.real_time = real_time
        self._timers = Timers()
        self._draining = False
        self._in_flight: dict[Exchange, None] = {}
        self._most_in_flight = most_in_flight
        self._dispatchers: list[Dispatcher] = []
        """The present configuration's is the last."""
        self.configure(config)

    # Configurations.

    @property
    def proxy(self) -> Proxy:
        """The proxy whose configuration is in force."""
        return self._dispatcher.proxy

    @property
    def allowed(self) -> frozenset[tuple[str, str]]:
        """The files and the like that the operator has named, and messages may, by their nouns."""
        from l7proxy.core.config.outside import ANYTHING, names_outside

        also = ((ANYTHING, name) for name in self._also_allowed)
        return frozenset((*names_outside(self._began_with), *also))

    @property
    def proxies(self) -> list[Proxy]:
        """The proxies that have something to do; the one in force is the last."""
        return [dispatcher.proxy for dispatcher in self._dispatchers]

    def configure(self, config: Config) -> None:
        """Puts a configuration to work; what is in flight ends under the one it began with.

        Raises `ConfigError` where that can't be done, and leaves everything as it was.
        """
        proxy = Proxy(config, self._random, self._timers, self._on_note, self._secrets)
        upstreams = {
            name: self._upstreams[pool.config.upstream](pool, proxy.streams)
            for name, pool in proxy.pools.items()
        }
        proxy.turns_away = self._why_not_taken()
        for dispatcher in self._dispatchers:
            dispatcher.proxy.stop()
        if self.idle:
            self._dispatchers.clear()
        self._dispatcher = Dispatcher(proxy, upstreams, self._deliver, self._crash)
        self._dispatchers.append(self._dispatcher)
        if self.clock.started:
            proxy.start(self.clock.now)
        self._on_configured(proxy)

    # Requests.

    def open(self, request: HttpRequest, owner: Any, kind: type[Exchange] = Exchange) -> None:
        """Opens an exchange for the request and takes it as far as it gets at once.

        `owner` is the shell's, and found in `exchange.owner`. `kind` is `core.trace.Traced` where
        the decision is to be explained.
        """
        exchange = self._dispatcher.open(request, owner, self.clock.now, None, kind)
        if exchange.state is not ENDED:
            self._in_flight[exchange] = None
            if len(self._in_flight) >= self._most_in_flight:
                self.proxy.turns_away = self._why_not_taken()
            self._on_pending(exchange)

    def advance_ready(self) -> None:
        """Goes on with requests that wait, as after a change that made room for them."""
        self._dispatcher.advance_ready(self.clock.now)

    @property
    def idle(self) -> bool:
        """Whether every exchange has ended."""
        return not self._in_flight

    @property
    def in_flight(self) -> int:
        """How many exchanges have not ended."""
        return len(self._in_flight)

    @property
    def load(self) -> int:
        """How many requests real backends have, or will have as soon as they have a place."""
        return sum(
            pool.active + len(pool.queue)
            for dispatcher in self._dispatchers
            for pool in dispatcher.proxy.pools.values()
            if pool.config.upstream == "http"
        )

    def _deliver(self, exchange: Exchange, now: float) -> None:
        if self._in_flight:
            self._forget(exchange)
        self._on_delivered(exchange, now)

    def _crash(self, exchange: Exchange, error: Exception, now: float) -> None:
        self._forget(exchange)
        self._on_crashed(None if exchange.owner is MIRRORED else exchange, error, now)

    def _forget(self, exchange: Exchange) -> None:
        self._in_flight.pop(exchange, None)
        if self.proxy.turns_away is not None:
            self.proxy.turns_away = self._why_not_taken()

    def _why_not_taken(self) -> LocalReply | None:
        if self._draining:
            return DRAINING
        return OVERLOADED if len(self._in_flight) >= self._most_in_flight else None

    # Time.

    def now(self, wall: float) -> float:
        """Returns the core's time at the wall clock's `wall` (both in seconds)."""
        return self.clock.follow_wall(wall)

    def advance(self, wall: float) -> None:
        """Lets everything happen that is due when the wall clock says `wall` (seconds)."""
        self.run_until(self.clock.follow_wall(wall))

    def go_to(self, at: Any) -> None:
        """Goes on to an envelope's `at` (seconds), if that is not None; the first call starts time.

        Raises `BadMember` where `at` is no time, or one that is over, and in real time.
        """
        clock = self.clock
        if at is not None and self.real_time:
            raise BadMember.at("/at", "real backends take the time they take")
        begins = not clock.started
        try:
            instant = clock.now if at is None else clock.read(at)
        except ValueError as error:
            raise BadMember.at("/at", str(error)) from None
        if begins:
            clock.start()
            self.proxy.start(clock.now)
        if at is not None:
            self.run_until(instant)

    def run_until(self, until: float) -> None:
        """Lets everything happen that is due by `until` (the core's seconds), in order of time.

        Simulated time passes instant by instant; to real backends it is `until` already.
        """
        clock, timers = self.clock, self._timers
        if not clock.started:
            return
        run = timers.catch_up if self.real_time else timers.advance
        first = timers.next_deadline()
        if first is not None and first < until:
            self.proxy.skip_between(first, until)
        while (due := timers.next_deadline()) is not None and due <= until:
            now = until if self.real_time else due
            clock.now = max(clock.now, now)
            try:
                run(now)
                for dispatcher in self._dispatchers:
                    dispatcher.advance_ready(now)
            except Exception as error:
                self._on_crashed(None, error, now)
        clock.now = max(clock.now, until)

    def next_deadline(self) -> float | None:
        """Returns when `advance` has something to do next (the wall clock's seconds).

        None where there is none, in virtual time, and before the first message.
        """
        due = self._timers.next_deadline()
        clock = self.clock
        return None if due is None or clock.virtual or not clock.started else clock.on_wall(due)

    def on_sooner(self, changed: Callable[[], None]) -> None:
        """Has `changed` called when something may be due before everything else."""
        self._timers.on_sooner = lambda due: changed()

    # The end.

    def drain(self) -> None:
        """Finishes what is in flight; requests that still come in are answered 503.

        In virtual time everything that is pending runs out, and what then has no answer is
        answered 503.
        """
        self._draining = True
        self.proxy.turns_away = DRAINING
        if self.clock.virtual:
            self._run_out()
            self.abort()

    def abort(self) -> None:
        """Answers everything that is still in flight with a 503."""
        for dispatcher in self._dispatchers:
            dispatcher.proxy.give_up_waiting()
        for exchange in list(self._in_flight):
            self._cut_off(exchange)

    def abort_pools(self, upstream: str) -> None:
        """Answers what is in flight in the pools with this `upstream` with a 503."""
        for exchange in list(self._in_flight):
            assert exchange.pool is not None
            if exchange.pool.config.upstream == upstream:
                self._cut_off(exchange)

    def _run_out(self) -> None:
        """Lets everything happen that is pending, whenever it is due."""
        # Whatever has a deadline ends. What has none may hang while health checks go on for
        # ever: without those, what is left to happen comes to an end too.
        timers = self._timers
        in_vain = 0
        for instant in self._until_no_deadline():
            waiting = len(self._in_flight)
            self.run_until(instant)
            in_vain = 0 if len(self._in_flight) != waiting else in_vain + 1
            if in_vain == MOST_IN_VAIN:
                break
        for dispatcher in self._dispatchers:
            dispatcher.proxy.stop()
        while self._in_flight and (due := timers.next_deadline()) is not None:
            self.run_until(due)

    def _until_no_deadline(self) -> Iterator[float]:
        """Yields when something is due next, as long as any exchange has a deadline."""
        line, without = deque(self._in_flight), 0
        while without < len(line):
            exchange = line[0]
            if exchange not in self._in_flight:
                line.popleft()
            elif exchange.has_deadline:
                without = 0
                first = self._timers.next_deadline()
                assert first is not None
                yield first
            else:
                without += 1
                line.rotate(-1)

    def _cut_off(self, exchange: Exchange) -> None:
        now = self.clock.now
        exchange.cancelled(now)
        exchange.refuse(DRAINING)
        self._deliver(exchange, now)
