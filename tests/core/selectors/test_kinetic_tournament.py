"""The kinetic tournament, held against looking at every line."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.selectors.kinetic_tournament import KineticTournament

SLOPES = st.one_of(st.integers(1, 12), st.sampled_from([0.125, 0.25, 2.5, 65535, 40000]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), SLOPES, st.integers(-40, 40)),
        st.tuples(st.just("remove"), SLOPES, st.just(0)),
        st.tuples(st.just("wait"), st.just(0), st.integers(1, 9)),
        st.tuples(st.just("pick"), st.just(0), st.integers(1, 60)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_finds_the_highest_line_at_any_time(steps: list[tuple[str, float, int]]) -> None:
    tournament, lines, time = KineticTournament(), dict[float, tuple[float, int]](), 0
    for what, slope, number in steps:
        if what == "put":
            # Ranks repeat rarely, and equal heights often.
            lines[slope] = (number - slope * time, int(slope * 8))
            tournament.put(slope, *lines[slope], time)
        elif what == "remove" and slope in lines:
            del lines[slope]
            tournament.remove(slope, time)
        elif lines:
            time += number if what == "wait" else 1
            expected = max(lines, key=lambda s: (height(lines, s, time), -lines[s][1]))
            assert tournament.highest(time) == expected
            if what == "pick":
                lines[expected] = (lines[expected][0] - number, lines[expected][1])
                tournament.put(expected, *lines[expected], time)


def height(lines: dict[float, tuple[float, int]], slope: float, time: int) -> Fraction:
    return Fraction(lines[slope][0]) + Fraction(slope) * time
