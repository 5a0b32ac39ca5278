"""The proxy's decisions, free of any input or output: a request in, an `Exchange` out."""

from __future__ import annotations

from collections import OrderedDict, deque

from l7proxy.core.callbacks import ignore
from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import pointer_to
from l7proxy.core.exchange import Exchange
from l7proxy.core.exchange_state import ENDED
from l7proxy.core.http.head import check_head
from l7proxy.core.http.local_reply import LocalReply, Refused
from l7proxy.core.http.messages import Headers, HttpResponse
from l7proxy.core.http.target import ALLOW, ForTheServer, Target, parse_target
from l7proxy.core.pool.pool import Pool
from l7proxy.core.random_streams import RandomStreams
from l7proxy.core.routing import Router
from l7proxy.core.selectors import UnknownSelector
from l7proxy.core.timers import Timers
from l7proxy.core.trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.config.affinity import StickyConfig
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.policies.health_check import Probe
    from l7proxy.core.policies.rate_limit import RateLimits
    from l7proxy.core.routing import Route


class Proxy:
    """Routes, pools and the schedule that they share.

    A shell opens an exchange for each request, carries out the attempts that it asks for, calls
    `timers.advance` when time passes, takes from `ready` the exchanges that changed without it, and
    carries out the health checks on `probes`.
    Time is in seconds, from whatever clock the shell has; it never runs backwards.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        timers: Timers | None = None,
        log: Callable[[float, str], None] | None = None,
        secrets: Secrets | None = None,
        sessions: Random | None = None,
    ) -> None:
        """Raises `ConfigError` where a selector can't be found or refuses its options, or a key
        can't be had.

        `log(now, text)` is told of every change of a backend's or pool's state. `secrets` reads
        the keys that the configuration names, for pools with a sticky cookie. `sessions` draws
        the ids of sessions where nobody must be able to guess the next one; without it they
        follow from `random`.
        """
        self.config = config
        self.timers = Timers() if timers is None else timers
        self.ready: OrderedDict[Exchange, Exception | None] = OrderedDict()
        """Exchanges that changed without their shell having reported anything, in order, with the
        bug that one has met in that."""
        self.probes: deque[Probe] = deque()
        self.router = Router(config.effective_routes, config.default, config.paths.rules)
        self.trust = Trust(config.server.trusted_proxies)
        self._rules = self.router.rules
        self._match = self.router.match
        self.pools: dict[str, Pool] = {}
        self.limits = _rate_limits(config, self.router)
        self.turns_away: LocalReply | None = None
        """What each new request gets that a route takes; None while they are taken."""
        self.streams = streams = RandomStreams(random)
        """Where chance comes from, for this proxy and for simulated backends."""
        problems: list[Problem] = []
        for name, pool in config.backend_pools.items():
            try:
                self.pools[name] = Pool(
                    name,
                    config.pool_pointer(name),
                    pool,
                    streams.stream(name),
                    self.timers,
                    self.probes,
                    log or ignore,
                )
            except ValueError as error:
                problems += _selector_problems(error, config.pool_pointer(name))
        for name, made in self.pools.items():
            if made.config.sticky is not None:
                drawn = sessions or streams.stream(f"{name} sessions")
                _make_sticky(made, made.config.sticky, drawn, secrets, problems)
        if problems:
            raise ConfigError(problems)
        self._checked = [pool for pool in self.pools.values() if pool.health is not None]

    def open(self, request: HttpRequest, now: float, kind: type[Exchange] = Exchange) -> Exchange:
        """The exchange of a request, and what happens to it first: see `decide`.

        `kind` is `core.trace.Traced` where the decision is to be explained.
        """
        exchange = kind(self, request, now)
        self.decide(exchange, now)
        return exchange

    def decide(self, exchange: Exchange, now: float, target: Target | None = None) -> None:
        """Decides what happens to a new exchange first; see `Exchange` for what follows.

        `target` is what `parse_target` says of the request, where the shell knows that already.
        """
        request = exchange.request
        try:
            if target is None:
                target = parse_target(request, self._rules)
            exchange.target = target
            if not request.headers.well_formed or request.cookies or ":" in request.client_ip:
                check_head(request)
                request = exchange.request = self.trust.vet(request)
            route = self._match(request, target)
            if route is None:
                self._refuse(exchange, request, target)
            elif self.turns_away is not None:
                exchange.refuse(self.turns_away)
            else:
                exchange.route = route
                self._follow(route, exchange, now)
        except ForTheServer:
            exchange.response, exchange.state = HttpResponse(200, ALLOW), ENDED
        except Refused as refused:
            exchange.refuse(refused.local_reply, refused.headers)

    def _refuse(self, exchange: Exchange, request: HttpRequest, target: Target) -> None:
        """Answers a request that no route takes."""
        local_reply, allow = self.router.refusal(request, target)
        exchange.refuse(local_reply, None if allow is None else Headers((("Allow", allow),)))

    def _follow(self, route: Route, exchange: Exchange, now: float) -> None:
        """Applies the route: limits, rewrites, a pool, or an answer of its own."""
        pool_name = route.pool_name
        if route.split is not None:
            pool_name = route.split.pick(exchange)
        limits = self.limits
        if limits is not None and not limits.admits(exchange, route, pool_name, now):
            return
        if route.acts:
            route.act(exchange)
        if pool_name is not None:
            exchange.select(self.pools[pool_name], now)
            if route.mirror is not None and exchange.state is not ENDED:
                exchange.mirror = self.pools[route.mirror]

    def handover_from(self, before: Proxy, now: float) -> None:
        """Goes on where a proxy with another configuration stops.

        What would be missed is kept, for pools, limits and backends that are there under the same
        name: the sessions learned, how much of their limits clients have used, and what is known
        of each backend (`Pool.handover_from`).
        """
        if self.limits is not None and before.limits is not None:
            self.limits.handover_from(before.limits)
        for name, pool in self.pools.items():
            old = before.pools.get(name)
            if old is not None:
                pool.handover_from(old, now)
                if pool.affinity is not None and old.affinity is not None:
                    pool.affinity.handover_from(old.affinity)

    def start(self, now: float) -> None:
        """Begins what goes on by itself: health checks."""
        for pool in self.pools.values():
            pool.start(now)

    def skip_between(self, now: float, until: float) -> None:
        """Leaves out most of the health checks in a long time in which no message comes."""
        for pool in self._checked:
            assert pool.health is not None
            pool.health.skip_between(now, until)

    def stop(self) -> None:
        """Ends what goes on by itself; exchanges that are open go on to their end."""
        for pool in self.pools.values():
            pool.stop()

    def give_up_waiting(self) -> None:
        """Empties the queues: the requests in them are about to be cancelled."""
        for pool in self.pools.values():
            pool.queue.clear()

    @property
    def requests(self) -> int:
        """Requests in flight, in all pools."""
        return sum(pool.requests for pool in self.pools.values())

    def next_deadline(self) -> float | None:
        """The next instant (seconds) at which there is something to do."""
        return self.timers.next_deadline()


def _selector_problems(error: ValueError, at: str) -> list[Problem]:
    """Returns why the pool at the pointer `at` can't have its selector."""
    if isinstance(error, UnknownSelector):
        return [Problem(pointer_to(at, "algorithm"), str(error), structural=False)]
    if isinstance(error, ConfigError):
        return [problem.under(at) for problem in error.problems]
    return [Problem(pointer_to(at, "options"), str(error))]


def _make_sticky(
    pool: Pool,
    config: StickyConfig,
    random: Random,
    secrets: Secrets | None,
    problems: list[Problem],
) -> None:
    """Gives the pool its affinity, or adds to `problems` why it can't have it."""
    from l7proxy.core.affinity import BadKey, affinity_for

    try:
        pool.affinity = affinity_for(pool, config, random, secrets)
    except BadKey as error:
        at = pointer_to(pool.pointer, "sticky")
        problems.append(Problem(pointer_to(at, "cookie", error.field), str(error)))


def _rate_limits(config: Config, router: Router) -> RateLimits | None:
    """The limits in force; None where there are none, so that nothing is spent on them."""
    if not config.limits_rates:
        return None
    from l7proxy.core.policies.rate_limit import RateLimits

    limits = RateLimits(config, router.routes)
    if config.rate_limits is not None and config.rate_limits.headers == "always":
        from l7proxy.core.routing.actions import LimitedEdits

        for route in router.routes:
            route.response_headers = LimitedEdits(route.response_headers, limits)
    return limits
