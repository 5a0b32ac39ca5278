"""What a match costs, by the number of routes, and what it costs to load them.

    python3 benchmarks/routing.py [--quick]

Prints nanoseconds for one `Router.match` (best of several rounds) with 10 and with 10,000 prefix
routes, without hosts and over 1 and 1,000 hosts, and the ratios; then what reading a target costs,
and how long a configuration with 10,000 routes takes to load and to compile.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from l7proxy.core import Headers, HttpRequest, parse_config
from l7proxy.core.http.target import parse_target
from l7proxy.core.proxy import Proxy

REQUESTS = 1_000
ROUNDS = 200


def configuration(routes: int, hosts: int) -> str:
    """A configuration with that many prefix routes, spread evenly over the hosts (0: no host)."""
    table = [
        {
            "path_pattern": f"/service-{index // max(hosts, 1)}/v1/*",
            "backend_pool": f"pool-{index % 10}",
            **({"host": f"host-{index % hosts}.example.com"} if hosts else {}),
        }
        for index in range(routes)
    ]
    pools = {f"pool-{index}": {"backends": ["a:1", "b:1"]} for index in range(10)}
    return json.dumps({"backend_pools": pools, "routes": table})


def requests_for(routes: int, hosts: int) -> list[HttpRequest]:
    """Requests that the routes take, at random."""
    random = Random(1)
    made = []
    for _ in range(REQUESTS):
        index = random.randrange(routes)
        headers = [("Host", f"host-{index % hosts}.example.com")] if hosts else []
        path = f"/service-{index // max(hosts, 1)}/v1/users/{random.randrange(1000)}"
        made.append(HttpRequest("GET", path, Headers(headers)))
    return made


def nanoseconds(rounds: int, *works: Callable[[], None]) -> list[float]:
    """The best round of each, per request; the rounds take turns, so that noise hits all alike."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for index, work in enumerate(works):
            begun = perf_counter()
            work()
            best[index] = min(best[index], perf_counter() - begun)
    return [seconds / REQUESTS * 1e9 for seconds in best]


def matching(routes: int, hosts: int) -> Callable[[], None]:
    """Matches all requests, reading the Host header where there are hosts, not the target."""
    router = Proxy(parse_config(configuration(routes, hosts)), Random(0)).router
    asked = [(request, parse_target(request)) for request in requests_for(routes, hosts)]

    def match_all() -> None:
        for request, target in asked:
            assert router.match(request, target) is not None

    return match_all


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="does it run? its figures mean nothing"
    )
    rounds, most = (1, 100) if parser.parse_args().quick else (ROUNDS, 10_000)
    for few_hosts, many_hosts in ((0, 0), (1, most // 10), (10, most // 10)):
        few, many = nanoseconds(rounds, matching(10, few_hosts), matching(most, many_hosts))
        print(
            f"10 routes, {few_hosts} hosts: {few:.0f} ns; "
            f"{most:,} routes, {many_hosts:,} hosts: {many:.0f} ns; ratio {many / few:.2f}"
        )
    plain = requests_for(10, 0)
    odd = [HttpRequest("GET", request.target + "/%41/../b") for request in plain]
    for name, asked in (("already normal", plain), ("with an escape and a ..", odd)):

        def parse_all(asked: list[HttpRequest] = asked) -> None:
            for request in asked:
                parse_target(request)

        print(f"reading a target, {name}: {nanoseconds(rounds, parse_all)[0]:.0f} ns")
    text = configuration(most, most // 10)
    begun = perf_counter()
    config = parse_config(text)
    loaded = perf_counter()
    Proxy(config, Random(0))
    done = perf_counter()
    print(f"{most:,} routes: loaded in {loaded - begun:.2f} s, compiled in {done - loaded:.2f} s")


if __name__ == "__main__":
    main()
