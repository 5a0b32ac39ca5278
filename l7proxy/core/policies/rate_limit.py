"""Rate limits: how many requests each client or API key may send, as token buckets.

A bucket is kept as one number, the instant at which it is full again: the virtual scheduling form
of the generic cell rate algorithm (ITU-T I.371, annex A), which admits exactly what a bucket of
`size` tokens, filled at `rate` a second, admits. In any window of w seconds a key is thus given at
most `size + rate * w` requests, and one that keeps below the rate is never refused.

Memory is bounded. A bucket that is full again is like a new one, so it may be forgotten; one that
is not full may not, or its owner would be given more than the limit. For each new key two old ones
are looked at. Where `max_keys` buckets are all less than full, newcomers share one more, and a
newcomer that gets a bucket of its own later starts it as full as the shared one is: perhaps refused
sooner than it deserves, but never given more than the limit.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf

from l7proxy.core.http.grammar import plain_name
from l7proxy.core.http.local_reply import RATE_LIMITED
from l7proxy.core.http.messages import Headers
from l7proxy.core.http.target import ANY_PATH, host_of, parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from l7proxy.core.config import Config
    from l7proxy.core.config.limits import LimitConfig, RateLimitsConfig, ScopedLimitConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.routing import Route

    Claims = Sequence[tuple["Limit", str]]
    Rule = Callable[[HttpRequest], Claims]
    """Returns the limits that a request counts against, each with a key there."""

ROUNDING = 1e-6
"""The part of a token that may be missing, so that no one at exactly the rate is refused because
floating-point time is not exact."""

LONGEST_KEY = 64
"""Longer keys are remembered by a digest, so that clients can't make them take up memory."""


class Buckets:
    """The token buckets of many keys."""

    __slots__ = (
        "_newcomers_full_at",
        "_to_inspect",
        "full_at",
        "interval",
        "leeway",
        "max_keys",
        "size",
    )

    def __init__(self, rate: float, size: int, max_keys: int) -> None:
        self.size = size
        self.max_keys = max_keys
        self.interval = 1 / rate
        """Seconds in which a bucket gets one more token."""
        self.leeway = (size - 1 + ROUNDING) * self.interval
        """A bucket has a token if it is full in no more than so many seconds."""
        self.full_at: dict[str, float] = {}
        """The time at which the bucket of each key is full, for keys that have their own."""
        # The keys of `full_at`, in the order in which they are looked at.
        self._to_inspect: deque[str] = deque()
        self._newcomers_full_at = -inf

    def __len__(self) -> int:
        return len(self._to_inspect)

    def wait(self, key: str, now: float) -> float:
        """Returns the seconds until the key has a token; 0 or less where it has one."""
        due = self.full_at.get(key, self._newcomers_full_at) - now
        return due - self.leeway

    def spend(self, key: str, now: float) -> None:
        """Spends a token of the key, which must have one."""
        full_at = self.full_at.get(key)
        if full_at is not None:
            self.full_at[key] = max(full_at, now) + self.interval
            return
        after = max(self._newcomers_full_at, now) + self.interval
        if self._room_for(key, now):
            self.full_at[key] = after
        else:
            self._newcomers_full_at = after

    def standing(self, key: str, now: float) -> tuple[int, float]:
        """Returns the whole tokens that the key has, and the seconds until its bucket is full."""
        due = max(0.0, self.full_at.get(key, self._newcomers_full_at) - now)
        return max(0, int(self.size - due / self.interval + ROUNDING)), due

    def _room_for(self, key: str, now: float) -> bool:
        to_inspect, full_at = self._to_inspect, self.full_at
        for _ in range(min(2, len(to_inspect))):
            oldest = to_inspect.popleft()
            if full_at[oldest] <= now:
                del full_at[oldest]
            else:
                to_inspect.append(oldest)
        if len(to_inspect) >= self.max_keys:
            return False
        to_inspect.append(key)
        return True


class Limit:
    """One limit: its name for people, its buckets, and the numbers of requests it has decided on.

    `identity` is the name by which another configuration's limit is the same one.
    """

    __slots__ = ("admitted", "buckets", "config", "identity", "name", "refused")

    def __init__(self, name: str, config: LimitConfig, identity: str) -> None:
        self.name = name
        self.identity = identity
        self.config = config
        self.buckets = Buckets(config.requests_per_second, config.size, config.max_keys)
        self.admitted = 0
        self.refused = 0

    def headers(self, key: str, now: float) -> tuple[tuple[str, str], ...]:
        """Returns the X-RateLimit fields: the burst, the tokens left, and seconds until all are."""
        remaining, due = self.buckets.standing(key, now)
        return (
            ("X-RateLimit-Limit", str(self.buckets.size)),
            ("X-RateLimit-Remaining", str(remaining)),
            ("X-RateLimit-Reset", str(ceil(due))),
        )

    def handover_from(self, before: Limit) -> None:
        """Goes on with the buckets of another configuration's limit, if they are alike."""
        old, new = before.config, self.config
        if (old.requests_per_second, old.size) == (new.requests_per_second, new.size):
            self.buckets = before.buckets
            self.buckets.max_keys = new.max_keys

    def snapshot(self) -> dict[str, Any]:
        """Returns its state, for people and for the `status` message."""
        return {
            "limit": self.name,
            "requests_per_second": self.config.requests_per_second,
            "burst": self.buckets.size,
            "keys": len(self.buckets),
            "admitted": self.admitted,
            "refused": self.refused,
        }


class RateLimits:
    """All limits of a configuration; finds those that a request counts against."""

    def __init__(self, config: Config, routes: Sequence[Route]) -> None:
        self.limits: list[Limit] = []
        self._now = 0.0
        """When the last request was decided upon (seconds)."""
        general = config.rate_limits
        everywhere = () if general is None else self._general(general)
        self._route_rules = [
            everywhere
            + self._scoped(
                f"route {route}", route.config.rate_limit, f"route {route.config.identity}"
            )
            for route in routes
        ]
        self._pool_rules = {
            name: self._scoped(f"pool {name}", pool.rate_limit)
            for name, pool in config.backend_pools.items()
        }

    def claims(
        self, request: HttpRequest, route: Route, pool_name: str | None
    ) -> list[tuple[Limit, str]]:
        """Returns the limits that a request counts against, each with its key there."""
        rules = (*self._route_rules[route.index], *self._pool_rules.get(pool_name or "", ()))
        return [claim for rule in rules for claim in rule(request)]

    def admits(self, exchange: Exchange, route: Route, pool_name: str | None, now: float) -> bool:
        """Counts a request against all its limits; or refuses it with a 429, and counts it nowhere.

        Returns whether it was counted.
        """
        self._now = now
        claims = self.claims(exchange.request, route, pool_name)
        longest = 0.0
        exceeded: tuple[Limit, str] | None = None
        for claim in claims:
            limit, key = claim
            wait = limit.buckets.wait(key, now)
            if wait > longest:
                longest, exceeded = wait, claim
        if exceeded is not None:
            limit, key = exceeded
            limit.refused += 1
            retry_after = ("Retry-After", str(ceil(longest)))
            headers = Headers((retry_after, *limit.headers(key, now)))
            exchange.refuse(RATE_LIMITED.with_detail(limit.name), headers)
            return False
        for limit, key in claims:
            limit.buckets.spend(key, now)
            limit.admitted += 1
        return True

    def fields(self, exchange: Exchange) -> Sequence[tuple[str, str]]:
        """Returns the X-RateLimit fields of an admitted request's response.

        They tell of the limit that is nearest to being exceeded, as it was when a request was last
        decided upon; there are none where the request counts against no limit.
        """
        route, pool = exchange.route, exchange.pool
        assert route is not None
        claims = self.claims(exchange.request, route, None if pool is None else pool.name)
        if not claims:
            return ()
        left = [limit.buckets.standing(key, self._now)[0] for limit, key in claims]
        limit, key = claims[left.index(min(left))]
        return limit.headers(key, self._now)

    def handover_from(self, before: RateLimits) -> None:
        """Goes on with the buckets of the same limits in another configuration.

        Limits that can't be told apart, in either, start anew: better a bucket that is too full
        than one that was emptied by somebody else's requests.
        """
        old = _by_identity(before.limits)
        for identity, limit in _by_identity(self.limits).items():
            if identity in old:
                limit.handover_from(old[identity])

    def consulted(
        self, request: HttpRequest, route: Route, pool_name: str | None, now: float
    ) -> list[dict[str, Any]]:
        """Returns the limits that the request counts against, and the state of its buckets now."""
        rules = self._route_rules[route.index]
        if pool_name is not None:
            rules += self._pool_rules[pool_name]
        found = []
        for rule in rules:
            for limit, key in rule(request):
                remaining, due = limit.buckets.standing(key, now)
                shown = {"limit": limit.name, "key": key, "burst": limit.buckets.size}
                found.append({**shown, "remaining": remaining, "full_in": round(due, 9)})
        return found

    def snapshot(self) -> list[dict[str, Any]]:
        """Returns the state of every limit, in the order: per_ip, API key tiers, routes, pools."""
        return [limit.snapshot() for limit in self.limits]

    def _limit(self, name: str, config: LimitConfig, identity: str | None = None) -> Limit:
        limit = Limit(name, config, identity or name)
        self.limits.append(limit)
        return limit

    def _general(self, config: RateLimitsConfig) -> tuple[Rule, ...]:
        rules: list[Rule] = []
        if config.per_ip is not None:
            rules.append(_per_client(self._limit("per_ip", config.per_ip)))
        if config.per_api_key:
            tiers = {
                name: self._limit(f"per_api_key {name}", tier)
                for name, tier in config.per_api_key.items()
            }
            rules.append(_per_api_key(config, tiers))
        return tuple(rules)

    def _scoped(
        self, name: str, config: ScopedLimitConfig | None, identity: str | None = None
    ) -> tuple[Rule, ...]:
        if config is None:
            return ()
        limit = self._limit(name, config, identity)
        if config.per == "everyone":
            return (lambda request: ((limit, ""),),)
        if config.per == "client_ip":
            return (_per_client(limit),)
        header = config.per.removeprefix("header:").lower()
        return (_per_host(limit) if header == "host" else _per_header(limit, header),)


def _by_identity(limits: Iterable[Limit]) -> dict[str, Limit]:
    """Returns the limits whose identity no other one has."""
    found: dict[str, list[Limit]] = {}
    for limit in limits:
        found.setdefault(limit.identity, []).append(limit)
    return {identity: same[0] for identity, same in found.items() if len(same) == 1}


def _per_client(limit: Limit) -> Rule:
    return lambda request: ((limit, _short(request.client_ip)),)


def _per_host(limit: Limit) -> Rule:
    """Returns the rule for the host as routes know it, which has many spellings in its field."""

    def rule(request: HttpRequest) -> Claims:
        host = host_of(request, parse_target(request, ANY_PATH))
        return ((limit, _short(host)),) if host else ()

    return rule


def _per_header(limit: Limit, header: str) -> Rule:
    plain = plain_name(header)
    return lambda request: [(limit, _short(key)) for key in _keys(request, plain)]


def _per_api_key(config: RateLimitsConfig, tiers: Mapping[str, Limit]) -> Rule:
    """Returns the rule for API keys.

    A key is in the tier that lists it, else in the one that the gateway names, else in the first
    that lists none; where there is none such, it is not limited.
    """
    key_header = plain_name(config.api_key_header)
    tier_header = config.api_tier_header and config.api_tier_header.lower()
    listed = {
        _spelled(key, key_header): tiers[name]
        for name, tier in config.per_api_key.items()
        for key in tier.listed
    }
    unlisted = next((tiers[name] for name, t in config.per_api_key.items() if not t.listed), None)

    def limit_of(key: str, request: HttpRequest) -> Limit | None:
        limit = listed.get(key)
        if limit is None and tier_header is not None:
            limit = tiers.get(request.headers.get(tier_header) or "")
        return unlisted if limit is None else limit

    def rule(request: HttpRequest) -> Claims:
        found = []
        for key in _keys(request, key_header):
            limit = limit_of(key, request)
            if limit is not None:
                found.append((limit, _short(key)))
        return found

    return rule


def _keys(request: HttpRequest, plain: str) -> Iterable[str]:
    """Returns each value of a header, whose name is as `plain_name` has it.

    Whichever of several lines a backend reads, or takes `X_API_Key` for the same: it counts.
    """
    return dict.fromkeys(
        _spelled(value, plain) for name, value in request.headers if plain_name(name) == plain
    )


def _spelled(key: str, plain: str) -> str:
    """Returns the one spelling of a value of a header: schemes ignore case (RFC 9110, 11.1)."""
    if plain != "authorization":
        return key
    scheme, _, credentials = key.partition(" ")
    return f"{scheme.lower()} {credentials.strip()}".rstrip()


def _short(key: str) -> str:
    """Returns the key, or its digest where it is long, so that each takes little memory."""
    if len(key) <= LONGEST_KEY:
        return key
    from hashlib import blake2b

    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()
