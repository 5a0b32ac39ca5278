"""The contest, held against looking at everyone."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.selectors.kinetic_tournament import KineticTournament

PACES = st.one_of(st.integers(1, 12), st.sampled_from([0.125, 0.25, 2.5, 65535, 40000]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), PACES, st.integers(-40, 40)),
        st.tuples(st.just("leave"), PACES, st.just(0)),
        st.tuples(st.just("wait"), st.just(0), st.integers(1, 9)),
        st.tuples(st.just("pick"), st.just(0), st.integers(1, 60)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_finds_who_is_highest_at_any_time(steps: list[tuple[str, float, int]]) -> None:
    tournament, there, time = KineticTournament(), dict[float, tuple[float, int]](), 0
    for what, pace, number in steps:
        if what == "enter":
            # Ranks repeat rarely, and equal heights often.
            there[pace] = (number - pace * time, int(pace * 8))
            tournament.enter(pace, *there[pace], time)
        elif what == "leave" and pace in there:
            del there[pace]
            tournament.leave(pace, time)
        elif there:
            time += number if what == "wait" else 1
            expected = max(there, key=lambda p: (height(there, p, time), -there[p][1]))
            assert tournament.highest(time) == expected
            if what == "pick":
                there[expected] = (there[expected][0] - number, there[expected][1])
                tournament.enter(expected, *there[expected], time)


def height(there: dict[float, tuple[float, int]], pace: float, time: int) -> Fraction:
    return Fraction(there[pace][0]) + Fraction(pace) * time
