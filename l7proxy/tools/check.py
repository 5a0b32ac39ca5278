"""`l7proxy check`: is this configuration valid, and if not, what exactly is wrong with it?"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError, parse_config
from l7proxy.core.config.algorithms import algorithm_name
from l7proxy.core.config.http import HttpConfig
from l7proxy.core.config.problems import pointer_to
from l7proxy.core.config.strict_json import decode_json
from l7proxy.core.http.grammar import plain_name
from l7proxy.core.http.hop_by_hop import is_unbelievable
from l7proxy.core.http.target import STANDARD_METHODS
from l7proxy.core.proxy import Proxy
from l7proxy.core.routing.explain import shadowed
from l7proxy.tools.mistakes import mistakes
from l7proxy.tools.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config, Problem
    from l7proxy.core.config.limits import ScopedLimitConfig

    Warned = tuple[str, str]
    """The JSON pointer of what is warned of, and the warning."""
    Preflight = Callable[[Config], tuple[list[Problem], Sequence[Warned]]]
    """Returns what is wrong outside of the configuration, and what is warned of."""


def check(
    name: str,
    text: bytes,
    say: Callable[[str], object],
    complain: Callable[[str], object],
    secrets: Secrets | None = None,
    *,
    unset: Collection[str] = (),
    preflight: Preflight | None = None,
    strict: bool = False,
) -> int:
    """Says that the configuration is fine, or complains of every problem in it.

    Returns the exit status, 0 or 2. What is allowed and hardly meant is warned of; with `strict`
    that is a problem, too. The keys that the configuration names are read, as they are at a start;
    `unset` has, after that, the environment variables that were not set. `preflight` looks at what
    a start would meet besides.
    """
    problems: list[Problem] = []
    warned: Sequence[Warned] = ()
    try:
        config = parse_config(text)
        if preflight is not None:
            problems, warned = preflight(config)
        proxy = Proxy(config, Random(0), secrets=secrets)
    except ConfigError as error:
        problems = [*error.problems, *problems]
    if problems:
        for problem in problems:
            complain(f"{name}: {problem}")
        return 2
    for at in unset_keys(config, unset):
        complain(f"{name}: {at}: note: the environment variable is not set; a start needs it")
    for pool_name, pool in config.backend_pools.items():
        algorithm = algorithm_name(pool.algorithm)
        if algorithm != pool.algorithm:
            at = pointer_to(config.pool_pointer(pool_name), "algorithm")
            note = f'{at}: note: "{pool.algorithm}" is another name for {algorithm}'
            say(printable(f"{name}: {note}") + "\n")
    warnings = [
        *warned,
        *no_routes(config),
        *unreachable_routes(proxy),
        *unlikely_conditions(config),
        *unbelieved_fields(config),
        *unused_pools(config),
        *unasked_backends(config),
        *mistakes(config, decode_json(text)[0]),
    ]
    for at, warning in warnings:
        complain(f"{name}: {at}: {'' if strict else 'warning: '}{warning}")
    if warnings and strict:
        return 2
    pools, routes = len(config.backend_pools), len(config.effective_routes)
    say(f"{name}: fine ({pools} pool{'s' * (pools != 1)}, {routes} route{'s' * (routes != 1)})\n")
    return 0


def unset_keys(config: Config, unset: Collection[str]) -> Iterator[str]:
    """Yields where a key is in an environment variable that was not set."""
    for name, pool in config.backend_pools.items():
        cookie = None if pool.sticky is None else pool.sticky.cookie
        if cookie is not None and cookie.key_env in unset:
            yield pointer_to(config.pool_pointer(name), "sticky", "cookie", "key_env")


def no_routes(config: Config) -> Iterator[tuple[str, str]]:
    """Yields where there should be a route, if there is none, and a warning."""
    if not config.effective_routes and config.default is None:
        at = "/backend_pools" if config.routes is None else "/routes"
        yield at, "there is nothing here that takes a request: every one is answered 404"


def unreachable_routes(proxy: Proxy) -> Iterator[tuple[str, str]]:
    """Yields where each route is that no request can reach, and which route gets them all."""
    if proxy.config.routes is None:
        return
    for route, by in shadowed(proxy.router.routes[: len(proxy.config.routes)]):
        winner = f"{pointer_to('/routes', by.index)} ({by})"
        yield (
            pointer_to("/routes", route.index),
            f"{route} is never reached: {winner} takes all of its requests",
        )


def unlikely_conditions(config: Config) -> Iterator[tuple[str, str]]:
    """Yields where a route asks for what no request has, and what may have been meant."""
    for index, route in enumerate(config.routes or ()):
        at = pointer_to("/routes", index)
        if route.path is not None and "*" in route.path:
            yield (
                pointer_to(at, "path"),
                f'only the path "{route.path}" itself, with its *, is like this;'
                ' did you mean "path_pattern"?',
            )
        for place, method in enumerate(route.methods or ()):
            if method not in STANDARD_METHODS and method.upper() in STANDARD_METHODS:
                yield (
                    pointer_to(at, "methods", place),
                    f'methods are case-sensitive; did you mean "{method.upper()}"?',
                )


def unbelieved_fields(config: Config) -> Iterator[tuple[str, str]]:
    """Yields where a condition or limit goes by a field that is never there, and a warning."""
    asked: list[tuple[str, str]] = []
    for index, route in enumerate(config.routes or ()):
        at = pointer_to("/routes", index)
        asked += [(pointer_to(at, "headers", name), name) for name in route.headers or ()]
        asked += _limited_by(route.rate_limit, at)
    for pool_name, pool in config.backend_pools.items():
        asked += _limited_by(pool.rate_limit, config.pool_pointer(pool_name))
    trusted = len(config.server.trusted_proxies) > 0
    for at, name in asked:
        if not is_unbelievable(name, trusted=trusted):
            continue
        if plain_name(name) != name.lower():
            yield at, f'{name} counts from nobody; did you mean "{plain_name(name).title()}"?'
        else:
            yield at, f"{name} counts only from server.trusted_proxies, and there are none"


def _limited_by(limit: ScopedLimitConfig | None, at: str) -> list[tuple[str, str]]:
    """Returns where a limit says that it is for each value of a header, and its name."""
    source, _, name = ("" if limit is None else limit.per).partition(":")
    return [(pointer_to(at, "rate_limit", "per"), name)] if source == "header" else []


def unasked_backends(config: Config) -> Iterator[tuple[str, str]]:
    """Yields where a pool is simulated that looks as if it had HTTP backends, and a warning."""
    for name, pool in config.backend_pools.items():
        addressed = any(
            backend.address.startswith(("http://", "https://")) for backend in pool.backends
        )
        if pool.upstream == "simulated" and (addressed or pool.http != HttpConfig()):
            yield (
                pointer_to(config.pool_pointer(name), "backends" if addressed else "http"),
                'its backends are simulated, and never asked; did you mean "upstream": "http"?',
            )


def unused_pools(config: Config) -> Iterator[tuple[str, str]]:
    """Yields where each pool is that no route leads to, and a warning."""
    used: set[str | None] = set()
    for actions in (*config.effective_routes, *filter(None, (config.default,))):
        used.update((actions.backend_pool, actions.mirror))
        used.update(actions.split.pools if actions.split is not None else ())
    for name in config.backend_pools:
        if name not in used:
            yield config.pool_pointer(name), "no route leads to this pool"
