"""The configuration, as records: what a file or an `init` may say, with defaults and meanings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from l7proxy.core.config.address import split_address
from l7proxy.core.config.affinity import StickyConfig
from l7proxy.core.config.algorithms import OPTIONS, AlgorithmName, algorithm_name
from l7proxy.core.config.expressions import check_expressions
from l7proxy.core.config.fields import END
from l7proxy.core.config.http import HttpConfig
from l7proxy.core.config.limits import RateLimitsConfig, ScopedLimitConfig
from l7proxy.core.config.policies import (
    BreakerConfig,
    EjectionConfig,
    HealthConfig,
    QueueConfig,
    RetryConfig,
    TimeoutsConfig,
)
from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.routes import ActionsConfig, PathsConfig, RouteConfig
from l7proxy.core.config.server import ServerConfig
from l7proxy.core.config.simulate import SimulateConfig
from l7proxy.core.config.spec import (
    BAD,
    Anything,
    Either,
    ListOf,
    MapOf,
    Mapped,
    Reference,
    Text,
    count,
    seconds,
    share,
)
from l7proxy.core.http.local_reply import Refused
from l7proxy.core.http.target import escape_segment, normal_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from l7proxy.core.config.spec import Bad

SINGLE_POOL = "default"
"""The name of the only pool, where it stands at the top of the configuration."""

UPSTREAMS = ("simulated", "envelope", "http")


def _checked_address(address: str) -> str:
    split_address(address)
    return address


_ADDRESS = Mapped(
    Text(
        min_length=1,
        pattern=rf"^(https?://)?[^\s\x00-\x1f\x7f/]+{END}|^unix:/[^\s\x00-\x1f\x7f]+{END}",
        meaning="an address such as api-1:8080, http://10.0.0.1:80 or unix:/run/app.sock",
    ),
    _checked_address,
)


class BackendConfig(Record):
    """One backend of a pool."""

    address: str = field(
        _ADDRESS,
        "host:port, http(s)://host:port or unix:/path; a simulated backend needs only a name",
        default="",
    )
    name: str | None = field(
        Text(min_length=1), "its name in replies; the host if not given", default=None
    )
    weight: int = field(count(1, 65535), "its share beside the others' weights", default=1)
    max_connections: int | None = field(count(), "requests it is given at once", default=None)
    tier: int = field(
        count(0, 1000), "0 is used first; a higher one only when all below are down", default=0
    )
    simulate: SimulateConfig | None = field(
        RecordOf(SimulateConfig), "how it behaves, simulated", default=None
    )

    at_least_one = ("address", "name")

    @property
    def own_name(self) -> str:
        """Its name where no other backend has the same: given, else its host."""
        return self.name or split_address(self.address)[0]

    def check(self, at: str, problems: Problems) -> None:
        if not self.address and self.name is None:
            problems.add(at, NO_ADDRESS)


NO_ADDRESS = '"address" is missing'


def _backend(value: str | BackendConfig) -> BackendConfig:
    return BackendConfig(address=value) if isinstance(value, str) else value


class PoolConfig(Record):
    """Backends that can answer the same requests, and how one of them is chosen."""

    backends: tuple[BackendConfig, ...] = field(
        ListOf(Mapped(Either(_ADDRESS, RecordOf(BackendConfig)), _backend), min_items=1),
        "the backends, in the order in which ties are broken",
    )
    algorithm: str = field(
        AlgorithmName(),
        "a selector's name, or module:Class of a selector of your own",
        default="round-robin",
    )
    options: Mapping[str, Any] = field(MapOf(Anything()), "the selector's own options", default={})
    upstream: str = field(
        Text(choices=UPSTREAMS), "how a request is carried out", default="simulated"
    )
    simulate: SimulateConfig | None = field(
        RecordOf(SimulateConfig), "how its backends behave", default=None
    )
    http: HttpConfig = field(
        RecordOf(HttpConfig),
        "connections to backends that are spoken to over HTTP",
        default=HttpConfig(),
    )
    timeouts: TimeoutsConfig = field(
        RecordOf(TimeoutsConfig), "how long things take", default=TimeoutsConfig()
    )
    queue: QueueConfig = field(
        RecordOf(QueueConfig), "where requests wait for a place", default=QueueConfig()
    )
    retries: RetryConfig = field(
        RecordOf(RetryConfig), "when another attempt is made", default=RetryConfig()
    )

    health: HealthConfig | None = field(RecordOf(HealthConfig), "active checks", default=None)
    ejection: EjectionConfig | None = field(
        RecordOf(EjectionConfig), "leaving out backends that fail real requests", default=None
    )
    breaker: BreakerConfig | None = field(
        RecordOf(BreakerConfig), "a circuit breaker for each backend", default=None
    )
    slow_start: float = field(
        seconds(), "how long a backend that comes back takes to get its full share", default=0
    )
    panic_threshold: float = field(
        share(), "with a smaller share of healthy backends than this, all are used", default=0
    )
    sticky: StickyConfig | None = field(
        RecordOf(StickyConfig), "how a client comes back to the backend it had", default=None
    )
    rate_limit: ScopedLimitConfig | None = field(
        RecordOf(ScopedLimitConfig), "how many requests it is given", default=None
    )

    @property
    def backend_names(self) -> tuple[str, ...]:
        """Each backend's name: given, else its host, else (where hosts repeat) its address."""
        hosts = [
            split_address(backend.address)[0] if backend.address else backend.name
            for backend in self.backends
        ]
        times = Counter(hosts)
        return tuple(
            backend.name or (backend.own_name if times[host] == 1 else backend.address)
            for backend, host in zip(self.backends, hosts, strict=True)
        )

    def check(self, at: str, problems: Problems) -> None:
        # The options of a selector that isn't built in are its own, and loaded when it is made.
        options = OPTIONS.get(algorithm_name(self.algorithm))
        if options is not None:
            options.load(self.options, pointer_to(at, "options"), problems)
        for index, backend in enumerate(self.backends):
            if not backend.address and self.upstream != "simulated":
                problems.conflict(pointer_to(at, "backends", index), NO_ADDRESS)
        seen: set[str] = set()
        for index, name in enumerate(self.backend_names):
            if name in seen:
                where = pointer_to(at, "backends", index)
                problems.conflict(where, f'a backend named "{name}" is in this pool already')
            seen.add(name)


def _actions(value: str | ActionsConfig) -> ActionsConfig:
    return ActionsConfig(backend_pool=value) if isinstance(value, str) else value


class Config(Record):
    """The whole configuration."""

    backend_pools: Mapping[str, PoolConfig] = field(
        MapOf(RecordOf(PoolConfig), defines="pool"),
        "the pools, by name; needed unless there are routes or a default",
        default={},
    )
    routes: tuple[RouteConfig, ...] | None = field(
        ListOf(RecordOf(RouteConfig)), "without routes, pool P gets the route /P/*", default=None
    )
    rate_limits: RateLimitsConfig | None = field(
        RecordOf(RateLimitsConfig), "how many requests a client or API key may send", default=None
    )
    default: ActionsConfig | None = field(
        Mapped(Either(Reference("pool"), RecordOf(ActionsConfig)), _actions),
        "what is done with requests that no route matches: a pool, or as in a route",
        default=None,
    )
    paths: PathsConfig = field(RecordOf(PathsConfig), "how paths are read", default=PathsConfig())
    server: ServerConfig = field(
        RecordOf(ServerConfig), "the HTTP listener of `l7proxy serve`", default=ServerConfig()
    )
    schema_uri: str | None = field(
        Text(), "the schema by which an editor checks it", default=None, key="$schema"
    )

    @property
    def limits_rates(self) -> bool:
        """True where any rate limit is configured."""
        return (
            self.rate_limits is not None
            or any(route.rate_limit is not None for route in self.effective_routes)
            or (self.default is not None and self.default.rate_limit is not None)
            or any(pool.rate_limit is not None for pool in self.backend_pools.values())
        )

    @classmethod
    def load(cls, value: Mapping[str, object], at: str, problems: Problems) -> Self | Bad:
        loaded = super().load(value, at, problems)
        if "backend_pools" in value or value.get("routes") or "default" in value:
            return loaded
        problems.add(at, '"backend_pools" is missing')
        return BAD

    @classmethod
    def unknown(cls, key: str) -> str:
        if key == "backends":
            return 'is a pool\'s: write it inside "backend_pools"'
        if key in PoolConfig.keys:
            return 'is a pool\'s: write it inside "backend_pools", or "backends" beside it'
        return super().unknown(key)

    def pool_pointer(self, name: str) -> str:
        """Returns the JSON pointer of a pool in what was written."""
        return pointer_to("/backend_pools", name)

    def check(self, at: str, problems: Problems) -> None:
        check_expressions(self, at, problems)
        rules = self.paths.rules
        for where, prefix in self._prefixes(at):
            try:
                normal_path(prefix, rules)
            except Refused as refused:
                problems.conflict(where, f'"{prefix}" begins no path: {refused}')
        for index, route in enumerate(self.effective_routes):
            key = "path" if route.path is not None else "path_pattern"
            path = getattr(route, key)
            try:
                normal_path(path or "/", rules)
            except Refused as refused:
                if self.routes is not None:
                    where = pointer_to(at, "routes", index, key)
                else:
                    where = pointer_to(at, "backend_pools", str(route.backend_pool))
                problems.conflict(where, f'no request gets to "{path}": {refused}')

    def _prefixes(self, at: str) -> Iterator[tuple[str, str]]:
        """Yields the JSON pointers and texts of all prefixes in rewrites, old and new."""
        actions: list[tuple[str, ActionsConfig]] = [
            (pointer_to(at, "routes", index), route)
            for index, route in enumerate(self.routes or ())
        ]
        if self.default is not None:
            actions.append((pointer_to(at, "default"), self.default))
        for where, action in actions:
            rewrite = action.rewrite
            if rewrite is None:
                continue
            where = pointer_to(where, "rewrite")
            if rewrite.strip_prefix is not None:
                yield pointer_to(where, "strip_prefix"), rewrite.strip_prefix
            for prefix, instead in (rewrite.replace_prefix or {}).items():
                place = pointer_to(where, "replace_prefix", prefix)
                yield place, prefix
                yield place, instead

    @property
    def effective_routes(self) -> tuple[RouteConfig, ...]:
        """The routes as written or, where there are none, `/P/*` for every pool `P`."""
        if self.routes is not None:
            return self.routes
        return tuple(
            RouteConfig(path_pattern=f"/{escape_segment(name)}/*", backend_pool=name)
            for name in self.backend_pools
        )


class SinglePoolConfig(PoolConfig):
    """The short form: the only pool, which takes every request, stands at the top."""

    fields = dict(PoolConfig.fields) | {
        name: declared
        for name, declared in Config.fields.items()
        if name not in ("backend_pools", "routes")
    }

    @classmethod
    def unknown(cls, key: str) -> str:
        if key == "routes":
            return (
                "a pool that stands at the top takes every request; "
                'to have routes, write it inside "backend_pools"'
            )
        return super().unknown(key)

    def spelled_out(self) -> Config:
        """Returns the configuration that this is short for."""
        rest = dict(self.__dict__)
        pool = PoolConfig(**{name: rest.pop(name) for name in PoolConfig.fields})
        route = RouteConfig(path_pattern="/*", backend_pool=SINGLE_POOL)
        return _SpelledOut(backend_pools={SINGLE_POOL: pool}, routes=(route,), **rest)


class _SpelledOut(Config):
    """A configuration that was written in the short form."""

    def pool_pointer(self, name: str) -> str:
        return ""
