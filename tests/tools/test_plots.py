"""The plots of a replay: which lines there are, the axes, and the periods of a state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.tools.plots import fewer, number, periods, scale, seconds


def test_many_backends_share_a_line() -> None:
    lines = [(f"b{n}", [float(n), 1.0]) for n in range(20)]
    order = sorted(range(20), key=lambda n: -n)
    shown = fewer(lines, order, max, "most of")
    assert [name for name, _ in shown] == [*(f"b{n}" for n in range(13, 20)), "most of 13 others"]
    assert shown[-1][1] == [12.0, 1.0]


def test_a_state_that_has_no_colour_of_its_own_is_shown_as_the_worst_of_its_parts() -> None:
    changes = [(0.0, "down"), (0.0, "up"), (1.0, "ejected,broken"), (2.0, "up"), (9.0, "down")]
    assert periods(changes, 5.0) == [
        (0.0, 1.0, "up"),
        (1.0, 2.0, "broken"),
        (2.0, 5.0, "up"),
        (5.0, 5.0, "down"),
    ]


@given(st.floats(0, 1e9))
def test_scales_reach_the_largest_value_in_round_steps(most: float) -> None:
    ticks = scale(most)
    assert ticks[0] == 0 and ticks[-1] >= most * 0.999999
    assert 2 <= len(ticks) <= 7


def test_numbers_on_axes_are_short() -> None:
    assert [number(value) for value in (0.5, 2000.0, 20000.0, 3e7)] == [
        "0.5",
        "2000",
        "20 k",
        "30 M",
    ]
    texts = [seconds(value) for value in (0, 0.0123, 5, 90, 600, 36000)]
    assert texts == ["0 s", "12.3 ms", "5 s", "90 s", "10 min", "10 h"]
