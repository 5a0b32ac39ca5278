"""The same configuration and the same requests, through nginx and through our selectors."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from l7proxy.core import HttpRequest, Proxy, config_from
from l7proxy.core.pool.pool import Pool
from tests.core.selectors.support import take_out
from tests.peers.nginx import Backends, Held, Nginx, needs_nginx, upstream

pytestmark = needs_nginx

ROTATIONS = [(1, 1, 1), (5, 1, 1), (3, 2, 1), (4, 3, 2)]
TRACES = range(20)
KEYS = 1_000


def trace_weights(trace: int) -> list[int]:
    """Equal weights in every other trace, as they have the most ties."""
    random = Random(trace)
    count = random.randint(2, 5)
    return [1] * count if trace % 2 else [random.randint(1, 5) for _ in range(count)]


def by_weight(weights: tuple[int, ...] | list[int]) -> dict[str, str]:
    return {name: f"weight={w} max_fails=0" for name, w in zip("abcde", weights, strict=False)}


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    made = Backends("abcde")
    yield made
    made.close()


@pytest.fixture(scope="module")
def nginx(backends: Backends) -> Iterator[Nginx]:
    by_key = "hash $arg_k consistent;"
    blocks = {
        **{f"rotation{n}": ("", by_weight(weights)) for n, weights in enumerate(ROTATIONS)},
        **{f"least{n}_": ("least_conn;", by_weight(trace_weights(n))) for n in TRACES},
        "all": (by_key, by_weight([1] * 5)),
        "without": (by_key, {n: how for n, how in by_weight([1] * 5).items() if n != "c"}),
        "down": (by_key, {**by_weight([1] * 5), "c": "down"}),
        "heavy": (by_key, by_weight([3, 1, 2])),
        "network": ("ip_hash;", by_weight([1, 2, 3])),
        "fewer": ("ip_hash;", {**by_weight([1, 2, 3]), "b": "weight=2 down"}),
    }
    http = "".join(upstream(n, how, backends, servers) for n, (how, servers) in blocks.items())
    with Nginx(backends, http, list(blocks)) as running:
        yield running


def ours(backends: Backends, algorithm: str, weights: Any, **options: Any) -> Pool:
    """A pool of the same backends, under the same names."""
    listed = [
        {"name": name, "address": backends.addresses[name], "weight": weight}
        for name, weight in zip("abcde", weights, strict=False)
    ]
    config = config_from({"backends": listed, "algorithm": algorithm, "options": options})
    return Proxy(config, Random(0)).pools["default"]


def pick(pool: Pool, request: HttpRequest | None = None) -> str:
    backend = pool.selector.pick(request)
    assert backend is not None
    return backend.name


@pytest.mark.parametrize("number", range(len(ROTATIONS)))
def test_round_robin_takes_the_same_turns(nginx: Nginx, backends: Backends, number: int) -> None:
    weights = ROTATIONS[number]
    pool = ours(backends, "round-robin", weights)
    turns = 4 * sum(weights)
    assert [pick(pool) for _ in range(turns)] == [
        nginx.pick(f"/rotation{number}") for _ in range(turns)
    ]


@pytest.mark.parametrize("trace", TRACES)
def test_least_connections_decides_the_same_while_requests_are_held(
    nginx: Nginx, backends: Backends, trace: int
) -> None:
    pool = ours(backends, "least-connections", trace_weights(trace))
    random = Random(trace)
    held: list[Held] = []
    decided, expected = [], []
    for _ in range(60):
        if held and (len(held) > 12 or random.random() < 0.45):
            ended = held.pop(random.randrange(len(held)))
            ended.answer()
            pool.release(pool.by_name[ended.backend], 0.0)
        else:
            request = nginx.send(f"/least{trace}_")
            held.append(request)
            expected.append(request.backend)
            picked = pick(pool)
            decided.append(picked)
            # nginx's word counts for the rest of the trace, so that a difference shows once.
            pool.acquire(pool.by_name[request.backend], 0.0)
    for request in held:
        request.answer()
    assert decided == expected


def test_ring_hash_sends_every_key_to_the_same_backend(nginx: Nginx, backends: Backends) -> None:
    pool = ours(backends, "ring-hash", [1] * 5, hash_key={"query": "k"})
    keys = [f"key-{n}" for n in range(KEYS)]
    before = {k: nginx.pick(f"/all?k={k}") for k in keys}
    assert {k: pick(pool, HttpRequest("GET", f"/?k={k}")) for k in keys} == before

    # Whether a backend is gone from the configuration or only out: nobody else's keys move.
    after = {k: nginx.pick(f"/without?k={k}") for k in keys}
    assert {k: home for k, home in after.items() if before[k] != "c"} == {
        k: home for k, home in before.items() if home != "c"
    }
    take_out(pool, "c")
    assert {k: pick(pool, HttpRequest("GET", f"/?k={k}")) for k in keys} == after


def test_ring_hash_agrees_on_weights_and_on_a_backend_that_is_down(
    nginx: Nginx, backends: Backends
) -> None:
    keys = [f"{n:x}" for n in range(300)]
    pool = ours(backends, "ring-hash", [3, 1, 2], hash_key={"query": "k"})
    assert [pick(pool, HttpRequest("GET", f"/?k={k}")) for k in keys] == [
        nginx.pick(f"/heavy?k={k}") for k in keys
    ]
    pool = ours(backends, "ring-hash", [1] * 5, hash_key={"query": "k"})
    take_out(pool, "c")
    assert [pick(pool, HttpRequest("GET", f"/?k={k}")) for k in keys] == [
        nginx.pick(f"/down?k={k}") for k in keys
    ]


def test_ip_hash_sends_every_network_to_the_same_backend(nginx: Nginx, backends: Backends) -> None:
    random = Random(5)
    clients = [".".join(str(random.randrange(1, 255)) for _ in range(4)) for _ in range(250)]
    clients += [f"2001:db8:{random.randrange(65536):x}::{n + 1:x}" for n in range(50)]
    pool = ours(backends, "ip-hash", [1, 2, 3])
    for name in ("network", "fewer"):
        assert [pick(pool, HttpRequest("GET", "/", client_ip=c)) for c in clients] == [
            nginx.pick(f"/{name}", c) for c in clients
        ]
        take_out(pool, "b")
