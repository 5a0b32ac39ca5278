"""Whatever happens to a pool, in whatever order, what must hold holds: see `tests.core.world`."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.core.world import CHOICES, METHODS, STATES, STATUSES, World

one_of = st.sampled_from
some = st.integers(0, 5)
LONG_WALK = 1_000_000


class AnythingHappens(RuleBasedStateMachine):
    """Hypothesis looks for an order of events that breaks a rule."""

    made: World | None = None
    """The world, once it has begun."""

    @property
    def world(self) -> World:
        assert self.made is not None
        return self.made

    @initialize(
        choices=st.fixed_dictionaries({key: one_of(values) for key, values in CHOICES.items()}),
        seed=st.integers(0, 3),
    )
    def begin(self, choices: dict[str, Any], seed: int) -> None:
        self.made = World(choices, seed)

    @rule(method=one_of(METHODS), times=st.integers(1, 4))
    def request(self, method: str, times: int) -> None:
        for _ in range(times):
            self.world.request(method)

    @rule(which=some, status=one_of(STATUSES))
    def answer(self, which: int, status: int) -> None:
        self.world.answer(which, status)

    @rule(which=some, status=one_of(STATUSES))
    def respond(self, which: int, status: int) -> None:
        self.world.respond(which, status)

    @rule(which=some)
    def complete(self, which: int) -> None:
        self.world.complete(which)

    @rule(which=some, sent=st.booleans())
    def fail(self, which: int, sent: bool) -> None:
        self.world.fail(which, sent)

    @rule(which=some)
    def break_off(self, which: int) -> None:
        self.world.break_off(which)

    @rule(which=some)
    def cancel(self, which: int) -> None:
        self.world.cancel(which)

    @rule(seconds=one_of((0, 0.25, 0.5, 1, 3, 20)))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(which=some, status=one_of((200, 500, None)))
    def examine(self, which: int, status: int | None) -> None:
        self.world.examine(which, status)

    @rule(which=some, state=one_of(STATES))
    def set_state(self, which: int, state: str) -> None:
        self.world.set_state(which, state)

    @rule(which=some, weight=one_of((1, 3)))
    def set_weight(self, which: int, weight: int) -> None:
        self.world.set_weight(which, weight)

    @rule()
    def add(self) -> None:
        self.world.add()

    @rule(which=some)
    def remove(self, which: int) -> None:
        self.world.remove(which)

    @rule(status=one_of((None, None, 200, 503)))
    def answer_at_once(self, status: int | None) -> None:
        self.world.answer_at_once(status)

    @invariant()
    def what_must_hold_holds(self) -> None:
        if self.made is not None:
            self.world.check()

    def teardown(self) -> None:
        if self.made is not None:
            self.world.settle()


TestAnythingHappens = AnythingHappens.TestCase
TestAnythingHappens.settings = settings(stateful_step_count=40)


def walk(seed: int, steps: int) -> int:
    """That many steps by chance in a world of its own; how many of them were transitions."""
    random = Random(seed)
    world = World({key: random.choice(values) for key, values in CHOICES.items()}, seed)
    taken = []
    try:
        for _ in range(steps):
            taken.append(step := _step(random))
            getattr(world, step[0])(*step[1:])
            world.check()
        world.settle()
        return world.transitions
    except Exception as error:
        error.add_note(f"seed {seed}, after {len(taken)} steps, the last: {taken[-12:]}")
        raise


def _step(random: Random) -> tuple[Any, ...]:
    which, pick = random.randrange(6), random.choice
    kind = pick(_KINDS)
    arguments: dict[str, tuple[Any, ...]] = {
        "request": (pick(METHODS),),
        "answer": (which, pick(STATUSES)),
        "respond": (which, pick(STATUSES)),
        "fail": (which, pick((True, False))),
        "pass_time": (pick((0, 0.25, 0.5, 1, 3, 20)),),
        "examine": (which, pick((200, 200, 500, None))),
        "set_state": (which, pick(("up",) * 5 + STATES)),
        "set_weight": (which, pick((1, 3))),
        "add": (),
        "answer_at_once": (pick((None, None, None, 200, 503)),),
    }
    return (kind, *arguments.get(kind, (which,)))


_KINDS = (
    *("request",) * 8,
    *("answer", "respond", "fail", "pass_time", "examine") * 3,
    *("complete", "break_off", "cancel", "set_state", "set_weight", "answer_at_once"),
    *("add", "add", "remove"),
)


@pytest.mark.parametrize("seed", range(60))
def test_a_random_walk_breaks_no_rule(seed: int) -> None:
    walk(seed, 300)


@pytest.mark.long
def test_a_million_transitions_break_no_rule() -> None:
    transitions, seed = 0, 1000
    while transitions < LONG_WALK:
        transitions += walk(seed, 1000)
        seed += 1


def world_of(**choices: Any) -> World:
    """A world whose pool has the first of `CHOICES` but for these."""
    return World({**{key: values[0] for key, values in CHOICES.items()}, **choices})


def test_a_name_given_away_and_taken_back_is_no_trouble_for_who_finishes_under_it() -> None:
    world = world_of(backends=1)
    world.request()
    world.remove(0)
    world.add()
    world.remove(0)
    world.check()
    assert list(world.pool.snapshot()["backends"]) == ["b0#0"]
    world.answer(0, 200)
    world.check()
    world.settle()
