"""Those who have more to do than a turn of the loop has room for, one after the other."""

from __future__ import annotations

import pytest

from l7proxy.upstreams.http.fair_queue import SHARE, FairQueue

from .turns import Loop

STEP = SHARE / 4
"""Seconds that a step takes."""
STEPS = 4
"""How many a turn has room for."""


class Flood:
    """Has so many steps to take, and writes its name down at each."""

    def __init__(
        self, name: str, loop: Loop, queue: FairQueue, seen: list[str], steps: int
    ) -> None:
        self._name = name
        self._loop = loop
        self._queue = queue
        self._seen = seen
        self._steps = steps

    def go_on(self) -> bool:
        self._seen.append(self._name)
        self._loop.now += STEP
        self._steps -= 1
        if self._steps:
            self._queue.put(self)
        return self._name != "slow"


def made(**steps: int) -> tuple[Loop, list[str]]:
    """A loop, and what is seen of those who wait on it."""
    loop, seen = Loop(), list[str]()
    queue = FairQueue(loop)  # type: ignore[arg-type]
    for name, count in steps.items():
        flood = Flood(name, loop, queue, seen, count)
        queue.put(flood)
        queue.put(flood)
    return loop, seen


def test_a_turn_has_room_for_a_few_steps_whosever_they_are() -> None:
    loop, seen = made(a=3 * STEPS + 1)
    for turn in range(3):
        assert len(seen) == turn * STEPS
        assert len(loop.soon) == 1
        loop.turn()
    loop.turn()
    assert len(seen) == 3 * STEPS + 1
    assert loop.soon == []


def test_those_who_wait_take_their_steps_round_robin() -> None:
    loop, seen = made(a=100, b=2, c=100)
    loop.turn()
    loop.turn()
    assert "".join(seen) == "abcabcac"


def test_a_turn_has_room_for_one_step_however_long_that_takes() -> None:
    loop, seen = made(a=2)
    queue = FairQueue(loop)  # type: ignore[arg-type]
    loop.turn()
    assert seen == ["a", "a"]

    class Slow:
        def go_on(self) -> bool:
            seen.append("slow")
            loop.now += 2 * SHARE
            queue.put(self)
            return True

    queue.put(Slow())
    loop.turn()
    loop.turn()
    assert seen == ["a", "a", "slow", "slow"]


def test_a_step_that_takes_its_time_later_is_the_last_of_its_turn() -> None:
    loop, seen = made(a=2, slow=2)
    turns = []
    while loop.soon:
        loop.turn()
        turns.append("".join(seen))
        seen.clear()
    assert turns == ["aslow", "aslow"]


def test_one_who_fails_holds_up_nobody() -> None:
    loop, seen = made(b=1)
    queue = FairQueue(loop)  # type: ignore[arg-type]

    class Broken:
        def go_on(self) -> bool:
            raise ZeroDivisionError

    queue.put(Broken())
    queue.put(Flood("a", loop, queue, seen, 1))
    with pytest.raises(ZeroDivisionError):
        loop.turn()
    loop.turn()
    assert seen == ["b", "a"]
    assert loop.soon == []
