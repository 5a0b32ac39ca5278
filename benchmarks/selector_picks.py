"""What does a pick cost, with 3, 100 and 10,000 backends?

    python3 benchmarks/selector_picks.py [ALGORITHM ...]

For each algorithm: nanoseconds for a pick with the pool left alone, the ratio of the largest pool
to the smallest, and milliseconds to make the selector (tables included). Then, for the largest
pool: a pick whose request stays in flight while the oldest of 1,000 ends (`load`), a pick after a
backend has left or come back (`flapping`), each with equal weights and with weights 1 to 10.
All is processor time.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from l7proxy.core import HttpRequest, Proxy, config_from
from l7proxy.core.config.algorithms import OPTIONS
from l7proxy.core.policies.flags import EJECTED
from l7proxy.core.pool.pool import Pool

SIZES = (3, 100, 10_000)
REQUESTS = [HttpRequest("GET", f"/item?id={n}", client_ip=f"10.1.{n}.7") for n in range(256)]
SECONDS = 0.3
"""For each measurement, about."""


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


def under_load(pool: Pool, rounds: int) -> None:
    held = deque(pool.selector.pick(request) for request in REQUESTS * 4)
    for backend in held:
        pool.acquire(backend, 0.0)  # type: ignore[arg-type]
    for _ in range(rounds):
        for request in REQUESTS:
            backend = pool.selector.pick(request)
            pool.acquire(backend, 0.0)  # type: ignore[arg-type]
            held.append(backend)
            pool.release(held.popleft(), 0.0)  # type: ignore[arg-type]
    for backend in held:
        pool.release(backend, 0.0)  # type: ignore[arg-type]


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


def nanoseconds(run: object, pool: Pool) -> float:
    """For each request of as many rounds as take `SECONDS`, the first ones not counted."""
    rounds, spent = 1, 0.0
    while True:
        began = time.process_time()
        run(pool, rounds)  # type: ignore[operator]
        spent = time.process_time() - began
        if spent > SECONDS / 2 or rounds >= 1 << 12:
            return spent / rounds / len(REQUESTS) * 1e9
        rounds *= 2


def main(names: list[str]) -> None:
    columns = [*SIZES, "ratio", "made in ms"]
    print(f"{'ns for a pick':<22}" + "".join(f"{column:>12}" for column in columns))
    for heaviest in (1, 10):
        print(f"weights {'equal' if heaviest == 1 else f'1 to {heaviest}'}")
        for name in names:
            costs = []
            for size in SIZES:
                began = time.process_time()
                pool = pool_of(name, size, heaviest)
                made = time.process_time() - began
                costs.append(nanoseconds(picking, pool))
            shown = "".join(f"{cost:>12,.0f}" for cost in costs)
            print(f"  {name:<20}{shown}{costs[-1] / costs[0]:>12.1f}{made * 1e3:>12,.0f}")
    print(f"\n{f'{SIZES[-1]:,} backends':<22}{'load':>12}{'flapping':>12}")
    for heaviest in (1, 10):
        print(f"weights {'equal' if heaviest == 1 else f'1 to {heaviest}'}")
        for name in names:
            pool = pool_of(name, SIZES[-1], heaviest)
            loaded = nanoseconds(under_load, pool)
            print(f"  {name:<20}{loaded:>12,.0f}{nanoseconds(flapping, pool):>12,.0f}")


if __name__ == "__main__":
    main(sys.argv[1:] or list(OPTIONS))
