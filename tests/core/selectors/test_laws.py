"""Each selector's law: what its users may rely on, with bounds that are written down."""

from __future__ import annotations

from collections import Counter, deque
from fractions import Fraction
from heapq import heappop, heappush
from math import ceil, sqrt
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core import ConfigError, HttpRequest, Proxy, config_from
from l7proxy.core.config.algorithms import OPTIONS
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.pool import Pool
from l7proxy.core.selectors import find_selector
from tests.core.selectors.support import bring_back, pool_of, take_out

HASHING = ["bounded-load", "maglev", "rendezvous", "ring-hash"]
DRAWING = ["least-time", "power-of-two-choices", "random"]
BY_KEY = {"hash_key": {"query": "k"}}


def many(algorithm: str, count: int, weights: Any = None, **options: Any) -> Pool:
    """A pool of backends b0, b1, ... that are hashed by the query parameter k.

    Weights that are not whole are those of backends that start slowly.
    """
    if algorithm in HASHING:
        options = {**BY_KEY, **options}
    weights = weights or [1] * count
    backends = [{"address": f"b{n}:80", "weight": ceil(weights[n])} for n in range(count)]
    config = config_from({"backends": backends, "algorithm": algorithm, "options": options})
    pool = Proxy(config, Random(7)).pools["default"]
    for backend in pool.backends:
        if backend.weight != weights[backend.index]:
            pool.weigh(backend, weights[backend.index])
    return pool


def keyed(key: object) -> HttpRequest:
    return HttpRequest("GET", f"/?k={key}")


def homes(pool: Pool, keys: int) -> list[str]:
    """The backend's name for each key."""
    picked = [pool.selector.pick(keyed(n)) for n in range(keys)]
    return [backend.name for backend in picked if backend is not None]


def most_off(counts: Counter[str], weights: dict[str, float]) -> float:
    """How far the count that is furthest off is from its due, in standard deviations."""
    total, weight = sum(counts.values()), sum(weights.values())
    return max(
        abs(counts[name] - total * w / weight) / sqrt(total * w / weight * (1 - w / weight))
        for name, w in weights.items()
    )


# All of them.


@pytest.mark.parametrize("algorithm", sorted(OPTIONS))
def test_only_the_eligible_are_picked_and_none_of_those_to_avoid(algorithm: str) -> None:
    pool = many(algorithm, 6, [1, 2, 1, 3, 1, 1])
    take_out(pool, "b1")
    avoid = (pool.by_name["b0"], pool.by_name["b4"], pool.by_name["b1"], pool.by_name["b0"])
    picked = {pool.selector.pick(keyed(n), avoid) for n in range(200)}
    assert picked <= {pool.by_name[name] for name in ("b2", "b3", "b5")}
    assert pool.selector.pick(keyed(1), tuple(pool.backends)) is None


def test_a_selector_made_by_hand_refuses_options_that_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="/options/x: unknown key"):
        find_selector("random")((), {"x": 1}, Random(0))


@pytest.mark.parametrize("algorithm", sorted(OPTIONS))
def test_where_nobody_is_eligible_nobody_is_picked(algorithm: str) -> None:
    pool = many(algorithm, 3)
    for name in ("b0", "b1", "b2"):
        take_out(pool, name)
    assert pool.selector.pick(keyed(1)) is None
    assert pool.selector.pick(keyed(1), (pool.backends[0],)) is None
    bring_back(pool, "b1")
    assert {pool.selector.pick(keyed(n)) for n in range(20)} == {pool.by_name["b1"]}


@pytest.mark.parametrize("algorithm", sorted(OPTIONS))
def test_backends_that_are_added_and_removed_are_heard_of(algorithm: str) -> None:
    config = config_from({"backends": ["new:80"]}).backend_pools["default"].backends[0]
    pool = many(algorithm, 2)
    pool.add("new", config, 0.0)
    for name in ("b0", "b1"):
        pool.remove(pool.by_name[name], 0.0)
    assert {pool.selector.pick(keyed(n)) for n in range(20)} == {pool.by_name["new"]}
    pool.remove(pool.by_name["new"], 0.0)
    assert pool.selector.pick(keyed(1)) is None
    pool.add("b0", config.replace(address="b0:80"), 1.0)
    assert {pool.selector.pick(keyed(n)) for n in range(20)} == {pool.by_name["b0"]}


@pytest.mark.parametrize("algorithm", sorted(OPTIONS))
@given(data=st.data())
def test_the_same_calls_and_the_same_random_give_the_same_picks(
    algorithm: str, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.sampled_from([1, 2, 5, 0.5]), min_size=1, max_size=5))
    steps = data.draw(
        st.lists(st.tuples(st.sampled_from("popcwt"), st.integers(0, 9)), max_size=30)
    )
    # The table is small, so that building it is not what takes the time.
    options = {"table_size": 251} if algorithm == "maglev" else {}
    assert played(algorithm, weights, steps, options) == played(algorithm, weights, steps, options)


def played(
    algorithm: str, weights: list[float], steps: list[tuple[str, int]], options: dict[str, Any]
) -> list[str]:
    """What is picked while backends come and go, weights change and requests start and end."""
    pool = many(algorithm, len(weights), weights, **options)
    held: deque[Backend] = deque()
    out = set[str]()
    names = []
    for now, (step, number) in enumerate(steps):
        backend = pool.backends[number % len(weights)]
        if step == "p" or step == "o":
            picked = pool.selector.pick(keyed(number), (backend,) if number > 6 else ())
            names.append("-" if picked is None else picked.name)
            assert picked is None or picked.eligible
            assert picked is not None or len(weights) - len(out) <= (number > 6)
            if picked is not None and step == "o":
                pool.acquire(picked, now)
                held.append(picked)
        elif step == "c" and held:
            tell = pool.failed if number == 3 else pool.succeeded
            tell(held[0], now - number / 10, now)
            pool.release(held.popleft(), now)
        elif step == "w":
            pool.set_weight(backend, number + 0.5)
        elif step == "t":
            (bring_back if backend.name in out else take_out)(pool, backend.name)
            out ^= {backend.name}
    return [*names, repr(pool.selector.explain())]


# By chance.


@pytest.mark.parametrize("algorithm", DRAWING)
@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (5, 1, 1), (3, 2, 1), (100, 1), (0.5, 0.25)])
def test_an_idle_pool_is_drawn_from_by_weight(algorithm: str, weights: tuple[float, ...]) -> None:
    pool = many(algorithm, len(weights), weights)
    if algorithm == "least-time":
        # By weight it is where all are as fast as each other for their weight.
        for backend in pool.backends:
            pool.succeeded(backend, -backend.weight, 0.0)
    counts = Counter(homes(pool, 20_000))
    # Five standard deviations: the seed is fixed, and chance alone would fail once in a million.
    assert most_off(counts, {b.name: b.weight for b in pool.backends}) < 5


@pytest.mark.parametrize("algorithm", DRAWING)
def test_weights_that_change_and_backends_that_go_change_the_draw(algorithm: str) -> None:
    pool = many(algorithm, 9, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    homes(pool, 10)
    pool.set_weight(pool.by_name["b0"], 20)
    pool.set_weight(pool.by_name["b8"], 0.5)
    for name in ("b3", "b7", "b1"):
        take_out(pool, name)
    bring_back(pool, "b7")
    config = config_from({"backends": [{"address": "b9:80", "weight": 4}]})
    pool.add("b9", config.backend_pools["default"].backends[0], 0.0)
    if algorithm == "least-time":
        for backend in pool.backends:
            pool.succeeded(backend, -backend.weight, 0.0)
    weights = {b.name: b.weight for b in pool.backends if b.eligible}
    assert set(weights) == {"b0", "b2", "b4", "b5", "b6", "b7", "b8", "b9"}
    assert most_off(Counter(homes(pool, 20_000)), weights) < 5


def peak_load(algorithm: str, seed: int) -> int:
    """The most requests that any of 100 backends had at once, each having two on average."""
    pool = many(algorithm, 100)
    random = Random(seed)
    ends: list[tuple[float, int]] = []
    now, peak = 0.0, 0
    for _ in range(10_000):
        now += random.expovariate(200)
        while ends and ends[0][0] <= now:
            pool.release(pool.backends[heappop(ends)[1]], now)
        backend = pool.selector.pick()
        assert backend is not None
        pool.acquire(backend, now)
        peak = max(peak, backend.in_flight)
        heappush(ends, (now + random.expovariate(1), backend.index))
    return peak


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_choices_keep_the_peak_below_chance_and_near_the_least_of_all(seed: int) -> None:
    two = peak_load("power-of-two-choices", seed)
    assert two < peak_load("random", seed)
    assert two <= peak_load("least-connections", seed) + 2


# By time.


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_times_slower_is_less_than_a_fifth_of_a_fair_share(count: int, seed: int) -> None:
    pool = many("least-time", count)
    random = Random(seed)
    ends: list[tuple[float, float, int]] = []
    counts = Counter[str]()
    now = 0.0
    for _ in range(20_000):
        now += random.expovariate(5.0 * count)
        while ends and ends[0][0] <= now:
            due, began, index = heappop(ends)
            pool.succeeded(pool.backends[index], began, due)
            pool.release(pool.backends[index], due)
        backend = pool.selector.pick()
        assert backend is not None
        counts[backend.name] += 1
        pool.acquire(backend, now)
        takes = random.uniform(0.5, 1.5) * (0.5 if backend.index == 0 else 0.05)
        heappush(ends, (now + takes, now, backend.index))
    assert 0 < counts["b0"] < 20_000 / count / 5


def test_a_slow_backend_is_tried_again_when_its_time_is_forgotten() -> None:
    pool = many("least-time", 2, decay=10)
    slow, fast = pool.backends
    pool.succeeded(slow, -1.0, 0.0)
    seen = []
    for now in range(40):
        pool.succeeded(fast, now - 0.1, now)
        seen.append(pool.selector.pick())
    back = seen.index(slow)
    # e^-2.3 is a tenth, and the decay is 10 s.
    assert 22 <= back <= 24 and set(seen[:back]) == {fast}


def test_failing_fast_does_not_make_a_backend_look_fast() -> None:
    pool = many("least-time", 2)
    broken, well = pool.backends
    for now in range(3):
        pool.succeeded(broken, now - 0.2, now)
        pool.succeeded(well, now - 0.1, now)
        pool.failed(broken, now - 0.001, now)
    assert {pool.selector.pick() for _ in range(20)} == {well}
    pool.failed(well, -27.0, 3)
    assert {pool.selector.pick() for _ in range(20)} == {broken}


def test_who_was_never_heard_of_gets_one_request_at_a_time() -> None:
    pool = many("least-time", 2)
    known, unknown = pool.backends
    pool.succeeded(known, -0.01, 0.0)
    assert pool.selector.pick() is unknown
    pool.acquire(unknown, 0.0)
    assert pool.selector.pick() is known
    assert pool.selector.explain()["response_time"] == {"b0": 0.01}


# By key.


@pytest.mark.parametrize("algorithm", [*HASHING, "ip-hash"])
def test_a_key_stays_where_it_is(algorithm: str) -> None:
    pool = many(algorithm, 5)
    assert len({*homes(pool, 1)} | {*[homes(pool, 1)[0] for _ in range(10)]}) == 1


@pytest.mark.parametrize("algorithm", HASHING)
@pytest.mark.parametrize("weights", [[1] * 10, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]])
def test_no_key_moves_needlessly_when_a_backend_leaves_or_returns(
    algorithm: str, weights: list[int]
) -> None:
    pool = many(algorithm, 10, weights)
    before = homes(pool, 10_000)
    for gone in ("b3", "b0", "b9"):
        take_out(pool, gone)
        after = homes(pool, 10_000)
        assert gone not in after
        assert [a for a, b in zip(after, before, strict=True) if b != gone and a != b] == []
        # What it leaves behind is spread: nobody gets more than half of it.
        inherited = Counter(a for a, b in zip(after, before, strict=True) if b == gone)
        assert max(inherited.values()) < sum(inherited.values()) / 2
        bring_back(pool, gone)
        assert homes(pool, 10_000) == before


@pytest.mark.parametrize("algorithm", HASHING)
@pytest.mark.parametrize("count", [5, 10, 20])
def test_a_new_backend_takes_its_part_and_little_else_moves(algorithm: str, count: int) -> None:
    before = homes(many(algorithm, count), 10_000)
    after = homes(many(algorithm, count + 1), 10_000)
    moved = [a for a, b in zip(after, before, strict=True) if a != b]
    assert 0 < len(moved) <= 1.25 / (count + 1) * 10_000
    if algorithm != "maglev":
        assert set(moved) == {f"b{count}"}


@pytest.mark.parametrize("algorithm", HASHING)
def test_the_position_in_the_configuration_makes_no_difference(algorithm: str) -> None:
    addresses = [f"b{n}:80" for n in range(8)]
    found = []
    for order in (addresses, addresses[::-1]):
        config = config_from({"backends": order, "algorithm": algorithm, "options": BY_KEY})
        found.append(homes(Proxy(config, Random(0)).pools["default"], 2_000))
    assert found[0] == found[1]


@pytest.mark.parametrize(("algorithm", "off"), [
    # A ring of 160 points is uneven by about 1/sqrt(160); the keys add their own chance.
    ("ring-hash", 0.30), ("bounded-load", 0.30), ("maglev", 0.05), ("rendezvous", 0.05),
])  # fmt: skip
@pytest.mark.parametrize("weights", [[1] * 5, [1, 2, 3, 4], [0.5, 1, 1.5]])
def test_keys_are_shared_out_by_weight(algorithm: str, off: float, weights: list[float]) -> None:
    pool = many(algorithm, len(weights), weights)
    counts = Counter(homes(pool, 40_000))
    for backend in pool.backends:
        due = 40_000 * backend.weight / sum(weights)
        assert abs(counts[backend.name] - due) < off * due


@pytest.mark.parametrize("algorithm", HASHING)
def test_a_slow_start_moves_only_keys_of_the_one_that_starts(algorithm: str) -> None:
    pool = many(algorithm, 6)
    starting = pool.by_name["b2"]
    full = homes(pool, 5_000)
    shares = []
    for eighths in range(1, 9):
        pool.weigh(starting, eighths / 8)
        now = homes(pool, 5_000)
        assert all(a == b or b == "b2" for a, b in zip(now, full, strict=True))
        shares.append(now.count("b2"))
    assert shares == sorted(shares) and now == full
    assert shares[0] < 0.25 * shares[-1]


@pytest.mark.parametrize("algorithm", HASHING)
def test_where_hardly_anyone_is_left_keys_still_have_one_home(algorithm: str) -> None:
    pool = many(algorithm, 400)
    for backend in pool.backends[2:]:
        take_out(pool, backend.name)
    before = homes(pool, 1_000)
    counts = Counter(before)
    assert set(counts) == {"b0", "b1"} and min(counts.values()) > 300
    bring_back(pool, "b7")
    moved = {a for a, b in zip(homes(pool, 1_000), before, strict=True) if a != b}
    assert moved == {"b7"}


@pytest.mark.parametrize("algorithm", HASHING)
def test_backends_that_share_an_address_share_its_keys(algorithm: str) -> None:
    config = config_from({
        "backends": [{"address": "same:80", "name": n} for n in ("one", "two")],
        "algorithm": algorithm, "options": BY_KEY,
    })  # fmt: skip
    counts = Counter(homes(Proxy(config, Random(0)).pools["default"], 2_000))
    assert min(counts["one"], counts["two"]) > 700


@pytest.mark.parametrize("weights", [None, [1 + n % 4 for n in range(100)]])
def test_maglevs_table_is_even_to_one_per_cent(weights: list[int] | None) -> None:
    pool = many("maglev", 100, weights)
    places: dict[str, int] = pool.selector.explain()["places"]
    total = sum(backend.weight for backend in pool.backends)
    assert sum(places.values()) == 65_537
    for backend in pool.backends:
        due = 65_537 * backend.weight / total
        # One place more or less is as near as whole places can come.
        assert abs(places[backend.name] - due) < max(0.01 * due, 1.01)


def test_a_maglev_table_smaller_than_the_pool_serves_those_that_have_places() -> None:
    pool = many("maglev", 10, table_size=7)
    assert len(set(homes(pool, 500))) == 7
    for name in set(homes(pool, 500)):
        take_out(pool, name)
    assert len(set(homes(pool, 500))) == 3


@given(
    factor=st.sampled_from([1.01, 1.1, 1.25, 1.5, 2]),
    weights=st.lists(st.sampled_from([1, 2, 3, 0.5]), min_size=1, max_size=6),
    steps=st.lists(st.tuples(st.sampled_from("rrrett"), st.integers(0, 9)), max_size=80),
)
def test_bounded_load_never_exceeds_its_factor(
    factor: float, weights: list[float], steps: list[tuple[str, int]]
) -> None:
    pool = many("bounded-load", len(weights), weights, factor=factor, points=20)
    held: list[Backend] = []
    for step, number in steps:
        if step == "r":
            # Few keys, so that without the bound most would go to the same few backends.
            backend = pool.selector.pick(keyed(number % 3))
            if backend is None:
                assert not any(b.eligible for b in pool.backends)
                continue
            pool.acquire(backend, 0.0)
            held.append(backend)
            there = [b for b in pool.backends if b.eligible]
            share = Fraction(backend.weight) / sum(Fraction(b.weight) for b in there)
            average = share * sum(b.in_flight for b in there)
            assert backend.in_flight <= ceil(Fraction(factor) * average)
        elif step == "e" and held:
            pool.release(held.pop(number % len(held)), 0.0)
        elif step == "t":
            backend = pool.backends[number % len(weights)]
            (take_out if backend.eligible else bring_back)(pool, backend.name)
    assert pool.selector.explain()["in_flight"] == sum(
        b.in_flight for b in pool.backends if b.eligible
    )


def test_requests_on_backends_that_are_out_are_not_in_the_average() -> None:
    pool = many("bounded-load", 2)
    b0, b1 = pool.backends
    take_out(pool, "b0")
    pool.acquire(b0, 0.0)
    pool.acquire(b1, 0.0)
    assert pool.selector.explain()["in_flight"] == 1
    pool.release(b0, 0.0)
    assert pool.selector.explain()["in_flight"] == 1


@pytest.mark.parametrize("address", ["unix:/run/app.sock", "plain-host", "http://h:80", "[::1]:8"])
def test_any_address_has_points_on_the_ring(address: str) -> None:
    config = config_from({"backends": [address, "b1:80"], "algorithm": "ketama"})
    pool = Proxy(config, Random(0)).pools["default"]
    requests = [HttpRequest("GET", "/", client_ip=f"c{n}") for n in range(200)]
    assert {pool.selector.pick(request) for request in requests} == set(pool.backends)


def test_a_ring_with_too_many_points_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        many("ring-hash", 2, [65_535, 1])
    assert str(refused.value) == (
        "/options: the ring would have 10,485,760 points, and 10,000,000 is "
        "the limit: give fewer points for each unit of weight"
    )
    assert len(set(homes(many("ring-hash", 2, [65_535, 1], points=1), 10))) == 1


def test_bounded_load_is_the_plain_ring_while_there_is_room() -> None:
    assert homes(many("bounded-load", 9), 2_000) == homes(many("ring-hash", 9), 2_000)


# In order.


def test_first_fills_up_one_backend_after_the_other() -> None:
    config = config_from({
        "backends": [{"address": f"{n}:80", "max_connections": 2} for n in "abc"],
        "algorithm": "first",
    })  # fmt: skip
    pool = Proxy(config, Random(0)).pools["default"]
    names = ""
    for _ in range(6):
        backend = pool.selector.pick()
        assert backend is not None
        pool.acquire(backend, 0.0)
        names += backend.name
    assert names == "aabbcc" and pool.selector.pick() is None
    pool.release(pool.by_name["b"], 0.0)
    assert pool.selector.pick() is pool.by_name["b"]
    pool.release(pool.by_name["a"], 0.0)
    assert pool.selector.pick() is pool.by_name["a"]
    assert pool_of("first", 1, 9).selector.pick() is not None
