"""What does a pick cost, with 3, 100 and 10,000 backends?

    python3 benchmarks/selector_picks.py [ALGORITHM ...] [--quick]

For each algorithm: nanoseconds for a pick with the pool left alone, the ratio of the largest pool
to the smallest, and milliseconds to make the selector (tables included). Then, for the largest
pool: a pick whose request stays in flight while the oldest of 1,000 ends (`load`), a pick after a
backend has left or come back (`flapping`), each with equal weights and with weights 1 to 10.
All is processor time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from l7proxy.core import HttpRequest, Proxy, config_from
from l7proxy.core.config.algorithms import OPTIONS
from l7proxy.core.flags import EJECTED
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.pool import Pool

SIZES = (3, 100, 10_000)
REQUESTS = [HttpRequest("GET", f"/item?id={n}", client_ip=f"10.1.{n}.7") for n in range(256)]
SECONDS = 0.3
"""For each measurement, about."""
QUICK_SIZES = (3, 10, 100)


def pool_of(algorithm: str, size: int, heaviest: int) -> Pool:
    random = Random(1)
    backends = [
        {
            "address": f"10.0.{n >> 8}.{n & 255}:80",
            "name": f"b{n}",
            "weight": random.randint(1, heaviest),
        }
        for n in range(size)
    ]
    config = config_from({"backends": backends, "algorithm": algorithm})
    return Proxy(config, Random(1)).pools["default"]


def picking(pool: Pool, rounds: int) -> None:
    pick = pool.selector.pick
    for _ in range(rounds):
        for request in REQUESTS:
            pick(request)


def picked(pool: Pool, request: HttpRequest) -> Backend:
    backend = pool.selector.pick(request)
    assert backend is not None
    return backend


def under_load(pool: Pool, rounds: int) -> None:
    held: deque[Backend] = deque()
    for request in REQUESTS * 4:
        held.append(picked(pool, request))
    for backend in held:
        pool.acquire(backend, 0.0)
    for _ in range(rounds):
        for request in REQUESTS:
            backend = picked(pool, request)
            pool.acquire(backend, 0.0)
            held.append(backend)
            pool.release(held.popleft(), 0.0)
    for backend in held:
        pool.release(backend, 0.0)


def flapping(pool: Pool, rounds: int) -> None:
    # The selector is told directly: that the pool looks at everyone then is not its cost.
    random, selector, out = Random(2), pool.selector, deque(pool.backends[:2])
    for backend in out:
        backend.eligible = False
        backend.flags |= EJECTED
        selector.left(backend)
    for _ in range(rounds):
        for request in REQUESTS:
            back, gone = out.popleft(), random.choice(pool.backends)
            back.eligible = True
            selector.joined(back)
            if gone.eligible:
                gone.eligible = False
                selector.left(gone)
            out.append(gone)
            selector.pick(request)
    for backend in out:
        if not backend.eligible:
            backend.eligible = True
            selector.joined(backend)


def nanoseconds(work: Callable[[Pool, int], None], pool: Pool, seconds: float) -> float:
    """For each request of as many rounds as take `seconds`, the first ones not counted."""
    rounds, spent = 1, 0.0
    while True:
        began = time.process_time()
        work(pool, rounds)
        spent = time.process_time() - began
        if spent > seconds / 2 or rounds >= 1 << 12:
            return spent / rounds / len(REQUESTS) * 1e9
        rounds *= 2


def by_size(names: Sequence[str], sizes: Sequence[int], seconds: float) -> None:
    columns = [*sizes, "ratio", "made in ms"]
    print(f"{'ns for a pick':<22}" + "".join(f"{column:>12}" for column in columns))
    for heaviest in (1, 10):
        print(f"weights {'equal' if heaviest == 1 else f'1 to {heaviest}'}")
        for name in names:
            costs = []
            for size in sizes:
                began = time.process_time()
                pool = pool_of(name, size, heaviest)
                made = time.process_time() - began
                costs.append(nanoseconds(picking, pool, seconds))
            shown = "".join(f"{cost:>12,.0f}" for cost in costs)
            ratio = costs[-1] / max(costs[0], 1e-3)
            print(f"  {name:<20}{shown}{ratio:>12.1f}{made * 1e3:>12,.0f}")


def in_use(names: Sequence[str], size: int, seconds: float) -> None:
    print(f"\n{f'{size:,} backends':<22}{'load':>12}{'flapping':>12}")
    for heaviest in (1, 10):
        print(f"weights {'equal' if heaviest == 1 else f'1 to {heaviest}'}")
        for name in names:
            pool = pool_of(name, size, heaviest)
            loaded = nanoseconds(under_load, pool, seconds)
            print(f"  {name:<20}{loaded:>12,.0f}{nanoseconds(flapping, pool, seconds):>12,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="ALGORITHM", default=list(OPTIONS))
    parser.add_argument(
        "--quick", action="store_true", help="does it run? its figures mean nothing"
    )
    options = parser.parse_args()
    sizes, seconds = (QUICK_SIZES, 0.0) if options.quick else (SIZES, SECONDS)
    by_size(options.names, sizes, seconds)
    in_use(options.names, sizes[-1], seconds)


if __name__ == "__main__":
    main()
