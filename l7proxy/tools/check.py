"""`l7proxy check`: is this configuration valid, and if not, what exactly is wrong with it?"""

from __future__ import annotations

from random import Random

from l7proxy.core.config import ConfigError, parse_config
from l7proxy.core.config.algorithms import algorithm_name
from l7proxy.core.config.spec import child
from l7proxy.core.proxy import Proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.affinity import Secrets


def check(
    name: str,
    text: bytes,
    say: Callable[[str], object],
    complain: Callable[[str], object],
    secrets: Secrets | None = None,
) -> int:
    """Says that the configuration is fine (0), or complains of every problem in it (2).

    The keys that it names are read, as they are at a start.
    """
    try:
        config = parse_config(text)
        Proxy(config, Random(0), secrets=secrets)
    except ConfigError as error:
        for problem in error.problems:
            complain(f"{name}: {problem}")
        return 2
    for pool_name, pool in config.backend_pools.items():
        algorithm = algorithm_name(pool.algorithm)
        if algorithm != pool.algorithm:
            at = child(child("/backend_pools", pool_name), "algorithm")
            say(f'{name}: {at}: note: "{pool.algorithm}" is another name for {algorithm}\n')
    pools, routes = len(config.backend_pools), len(config.effective_routes)
    say(f"{name}: fine ({pools} pool{'s' * (pools != 1)}, {routes} route{'s' * (routes != 1)})\n")
    return 0
