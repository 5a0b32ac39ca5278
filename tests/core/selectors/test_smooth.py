"""Smooth weighted rotation and least connections, held against their naive definitions."""

from __future__ import annotations

from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from l7proxy.core.pool.backend import Backend
from tests.core.selectors.support import (
    NaiveLeastConnections,
    NaiveRotation,
    bring_back,
    held_picks,
    load_of,
    picks,
    pool_of,
    take_out,
)

CYCLES = [
    ((1, 1, 1), "abc"),
    ((5, 1, 1), "aabacaa"),
    ((3, 2, 1), "abacba"),
    ((4, 3, 2), "abcabacba"),
    ((10, 1), "aaaaabaaaaa"),
]


@pytest.mark.parametrize(("weights", "cycle"), CYCLES)
@pytest.mark.parametrize("algorithm", ["round-robin", "least-connections"])
def test_the_cycles_are_nginxs_and_repeat_for_ever(
    algorithm: str, weights: tuple[int, ...], cycle: str
) -> None:
    # With nothing in flight every backend is tied, and least-connections breaks ties the same way.
    assert picks(pool_of(algorithm, *weights), 40 * len(cycle)) == 40 * cycle


def naive(weights: tuple[float, ...], steps: str) -> str:
    """What the definition picks: `.` is a pick, a letter takes that one out or brings it back."""
    pool = pool_of("round-robin", *weights)
    model, out, names = NaiveRotation(), set[str](), ""
    for step in steps:
        if step == ".":
            picked = model.step([b for b in pool.backends if b.name not in out])
            names += picked.name if picked else "-"
        else:
            out ^= {step}
    return names


@pytest.mark.parametrize(("weights", "cycle"), CYCLES)
def test_a_backend_that_was_away_goes_on_where_it_was(weights: tuple[int, ...], cycle: str) -> None:
    for before in range(1, len(cycle)):
        for away in range(1, 5):
            pool = pool_of("round-robin", *weights)
            got = picks(pool, before)
            take_out(pool, "a")
            got += picks(pool, away)
            bring_back(pool, "a")
            got += picks(pool, 30)
            assert got == naive(weights, "." * before + "a" + "." * away + "a" + "." * 30)


@pytest.mark.parametrize(("weights", "before", "gone"), [
    # Thirteen picks pass before what b leaves behind repeats.
    ((5, 13, 13), 11, "b"),
    ((1, 1, 1, 1), 41, "c"),
    ((2, 3, 7), 75, "a"),
    # What b fell by when a was still there, c makes up for in more turns than are looked at first.
    ((100, 1, 1), 35, "a"),
])  # fmt: skip
def test_what_is_repeated_is_what_would_be_picked(
    weights: tuple[int, ...], before: int, gone: str
) -> None:
    pool = pool_of("round-robin", *weights)
    got = picks(pool, before)
    take_out(pool, gone)
    got += picks(pool, 100)
    bring_back(pool, gone)
    got += picks(pool, 100)
    assert got == naive(weights, "." * before + gone + "." * 100 + gone + "." * 100)


def test_down_and_at_once_up_again_does_not_start_the_rotation_over() -> None:
    pool = pool_of("round-robin", 5, 1, 1)
    assert picks(pool, 3) == "aab"
    for name in "abc":
        take_out(pool, name)
        bring_back(pool, name)
    assert picks(pool, 4) == "acaa"


@pytest.mark.parametrize("algorithm", ["round-robin", "least-connections"])
def test_nobody_eligible_is_nobody_picked(algorithm: str) -> None:
    pool = pool_of(algorithm, 1, 1)
    assert picks(pool, 2, avoid="ab") == "--"
    take_out(pool, "a")
    take_out(pool, "b")
    assert picks(pool, 2) == "--"
    bring_back(pool, "b")
    assert picks(pool, 2) == "bb"


def test_a_rotation_that_was_replayed_goes_on_from_where_it_was() -> None:
    pool = pool_of("round-robin", 2, 1, 1, 2)
    names = picks(pool, 9)
    assert names[:3] == names[6:]
    take_out(pool, "c")
    assert sorted(picks(pool, 5)) == ["a", "a", "b", "d", "d"]


def test_two_idle_equals_are_used_in_turn() -> None:
    pool = pool_of("least-connections", 1, 1)
    for expected in "abab":
        assert held_picks(pool, 1) == expected
        pool.release(pool.by_name[expected], 0.0)


def test_least_connections_fills_by_weight() -> None:
    pool = pool_of("least-connections", 2, 1)
    names = held_picks(pool, 30)
    assert (names.count("a"), names.count("b")) == (20, 10)


def test_the_state_is_explained_in_the_algorithms_own_terms() -> None:
    pool = pool_of("round-robin", 5, 1, 1)
    picks(pool, 1)
    assert pool.selector.explain() == {"current_weights": {"a": -2, "b": 1, "c": 1}}
    pool = pool_of("least-connections", 2, 1)
    held_picks(pool, 1)
    assert pool.selector.explain() == {
        "in_flight_per_weight": {"a": 0.5, "b": 0.0},
        "current_weights": {"a": -1, "b": 1},
    }


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12))
def test_a_whole_period_gives_everyone_their_share_and_then_repeats(weights: list[int]) -> None:
    period = sum(weights) // gcd(*weights)
    pool = pool_of("round-robin", *weights)
    first = picks(pool, period)
    share = [first.count(backend.name) * gcd(*weights) for backend in pool.backends]
    assert share == weights
    assert picks(pool, period) == first


def test_a_period_too_long_to_plan_is_rotated_all_the_same() -> None:
    weights = (65535, 65534, 65533)
    assert picks(pool_of("round-robin", *weights), 300) == naive(weights, "." * 300)
    fractions = (0.5, 0.25, 1.75)
    assert picks(pool_of("round-robin", *fractions), 300) == naive(fractions, "." * 300)


weights = st.integers(1, 9) | st.sampled_from([0.5, 0.25, 1.5, 100, 65535])


class Rotation(RuleBasedStateMachine):
    """Picks, opens, closes, absences and new weights in any order, beside the definition."""

    algorithm = "round-robin"

    def new_model(self) -> NaiveRotation:
        return NaiveRotation()

    @initialize(given=st.lists(weights, min_size=1, max_size=6))
    def begin(self, given: list[float]) -> None:
        self.pool = pool_of(self.algorithm, *given)
        self.model = self.new_model()
        self.open: list[Backend] = []

    def eligible(self) -> list[Backend]:
        return [backend for backend in self.pool.backends if backend.eligible]

    def one_of(self, backends: list[Backend], data: st.DataObject) -> Backend:
        return backends[data.draw(st.integers(0, len(backends) - 1))]

    @rule(count=st.integers(1, 12))
    def open_some(self, count: int) -> None:
        for _ in range(count):
            expected = self.model.step(self.eligible())
            picked = self.pool.selector.pick()
            assert picked is expected
            if picked is not None:
                self.picked(picked)
                self.pool.acquire(picked, 0.0)
                self.open.append(picked)

    def picked(self, backend: Backend) -> None:
        """What must hold of every pick, in so many words."""

    @rule(data=st.data())
    def pick_elsewhere(self, data: st.DataObject) -> None:
        avoid = tuple(data.draw(st.sets(st.sampled_from(self.pool.backends))))
        expected = self.model.step([b for b in self.eligible() if b not in avoid])
        assert self.pool.selector.pick(None, avoid) is expected

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        backend = self.one_of(self.open, data)
        self.open.remove(backend)
        self.pool.release(backend, 0.0)

    @rule(data=st.data())
    def leave_or_return(self, data: st.DataObject) -> None:
        backend = self.one_of(self.pool.backends, data)
        (take_out if backend.eligible else bring_back)(self.pool, backend.name)

    @rule(data=st.data(), weight=weights)
    def reweight(self, data: st.DataObject, weight: float) -> None:
        self.pool.weigh(self.one_of(self.pool.backends, data), weight)

    @invariant()
    def in_flight_is_what_is_open(self) -> None:
        for backend in self.pool.backends:
            assert backend.in_flight == self.open.count(backend)


class LeastConnections(Rotation):
    algorithm = "least-connections"

    def new_model(self) -> NaiveRotation:
        return NaiveLeastConnections()

    def picked(self, backend: Backend) -> None:
        assert load_of(backend) == min(map(load_of, self.eligible()))


TestRotation = Rotation.TestCase
TestLeastConnections = LeastConnections.TestCase
