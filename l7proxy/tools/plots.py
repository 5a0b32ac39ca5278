"""The plots of a replay's page, as SVG: what a pool's backends got and had, and their states."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from l7proxy.tools.replay import levels, slots
from l7proxy.tools.template import EMPTY, Html, fill, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from l7proxy.core.pool.backend import Backend
    from l7proxy.tools.metrics import ReplayMetrics

    Line = tuple[str, Sequence[float]]
    """The name of a line in a plot, and its height in each slot."""
    Join = Callable[[Iterable[Any]], Any]
    """Makes one value of several: `sum` or `max`."""

MOST_LINES = 8
"""Lines in one plot; the backends beyond them are drawn as one."""
MOST_BANDS = 40
"""Backends whose states are drawn; those beyond them are only counted."""
FEW = 12
"""Requests of a pool in one drawn slot, below which chance is all that would be seen."""

WIDTH, HEIGHT = 480, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 24

STATES = {
    "up": ("up", "--up"),
    "down": ("down", "--bad"),
    "ejected": ("ejected", "--ejected"),
    "broken": ("circuit open", "--broken"),
    "half-open": ("circuit half-open", "--half"),
    "drain": ("draining", "--drain"),
    "maint": ("in maintenance", "--maint"),
    "removed": ("removed", "--line"),
}
"""The states that have a colour of their own, in words and as a variable of the style sheet.

Where several coincide, the last of them is shown.
"""
_SEVERITY = list(STATES)


def plots(backends: Sequence[Backend], metrics: ReplayMetrics) -> Html:
    """Returns the plots of a pool."""
    each = _coarseness(metrics)
    count = slots(metrics)
    rates: list[Line] = []
    in_flight: list[Line] = []
    for backend in backends:
        requests = _coarser(metrics.series[backend].requests[:count], each, sum)
        rates.append((backend.name, [number / each / metrics.width for number in requests]))
        in_flight.append((backend.name, _coarser(levels(metrics, backend), each, max)))
    busiest_first = sorted(range(len(backends)), key=lambda at: -backends[at].total)
    rates = fewer(rates, busiest_first, sum, "all of")
    in_flight = fewer(in_flight, busiest_first, max, "most of")
    span = ceil(count / each) * each * metrics.width
    made = [
        _plot("requests", "Requests per second", rates, span, 0.0, _polyline),
        _plot("in-flight", "Most in flight", in_flight, span, 1.0, _staircase),
        _states(backends, metrics, span),
    ]
    return joined(made, "\n")


def _coarseness(metrics: ReplayMetrics) -> int:
    """Returns how many slots are drawn as one, so that there is more to see than chance."""
    requests = sum(sum(series.requests) for series in metrics.series.values())
    pools = len(set(metrics.pool_of.values()))
    made = 1
    while slots(metrics) / made > 12 and requests * made < FEW * slots(metrics) * pools:
        made *= 2
    return made


def _coarser(values: Sequence[int], each: int, join: Join) -> list[float]:
    return [join(values[at : at + each]) for at in range(0, len(values), each)]


def fewer(lines: Sequence[Line], busiest_first: Sequence[int], join: Join, what: str) -> list[Line]:
    """Returns the busiest backends' lines in the order of the file, and one for all the others.

    `join` makes one height of the others', and `what` says in words which that is.
    """
    if len(lines) <= MOST_LINES:
        return list(lines)
    kept = sorted(busiest_first[: MOST_LINES - 1])
    rest = [lines[at][1] for at in busiest_first[MOST_LINES - 1 :]]
    others = [join(column) for column in zip(*rest, strict=True)]
    return [*(lines[at] for at in kept), (f"{what} {len(rest)} others", others)]


def _plot(
    plot: str,
    title: str,
    lines: Sequence[Line],
    span: float,
    least_step: float,
    draw: Callable[[Sequence[float], Callable[[float], float]], str],
) -> Html:
    """Returns a plot over `span` seconds.

    The numbers on its axis are at least `least_step` apart, and `draw` makes a line's path.
    """
    highest = max((max(values, default=0) for _, values in lines), default=0)
    ticks = scale(highest, least_step)
    bottom = HEIGHT - BOTTOM

    def y(value: float) -> float:
        return round(bottom - value / ticks[-1] * (bottom - TOP), 1)

    named = [(name, f"--c{at % MOST_LINES}", values) for at, (name, values) in enumerate(lines)]
    return fill(
        "plot",
        plot=plot,
        title=title,
        width=WIDTH,
        height=HEIGHT,
        ticks=joined(_tick(tick, y(tick)) for tick in ticks),
        times=_times(span),
        lines=joined(
            fill("line", colour=colour, path=draw(values, y), name=name)
            for name, colour, values in named
        ),
        legend=joined(fill("legend", colour=colour, name=name) for name, colour, _ in named),
    )


def _tick(value: float, y: float) -> Html:
    return fill(
        "tick",
        left=LEFT,
        right=WIDTH - RIGHT,
        y=y,
        text_x=LEFT - 6,
        text_y=y + 4,
        number=number(value),
    )


def _polyline(values: Sequence[float], y: Callable[[float], float]) -> str:
    """Returns straight lines between the middles of the slots."""
    width = WIDTH - RIGHT - LEFT
    if len(values) == 1:
        return f"M{LEFT} {y(values[0])}H{LEFT + width:.1f}"
    slot = width / len(values)
    return "".join(
        f"{_move(at)}{LEFT + (at + 0.5) * slot:.1f} {y(value)}" for at, value in enumerate(values)
    )


def _staircase(values: Sequence[float], y: Callable[[float], float]) -> str:
    """Returns a step along each slot."""
    slot = (WIDTH - RIGHT - LEFT) / len(values)
    return "".join(
        f"{_move(at)}{LEFT + at * slot:.1f} {y(value)}H{LEFT + (at + 1) * slot:.1f}"
        for at, value in enumerate(values)
    )


def _move(at: int) -> str:
    return "L" if at else "M"


def _times(span: float) -> Html:
    """Returns the instants under a plot: its start, its middle and its end."""
    right = WIDTH - RIGHT
    places = (
        (LEFT, "start", 0.0),
        ((LEFT + right) / 2, "middle", span / 2),
        (right, "end", span),
    )
    return joined(
        fill("time", x=x, y=HEIGHT - 6, anchor=anchor, time=seconds(at)) for x, anchor, at in places
    )


def _states(backends: Sequence[Backend], metrics: ReplayMetrics, span: float) -> Html:
    seen: set[str] = set()
    bands = []
    for backend in backends[:MOST_BANDS]:
        found = periods(metrics.series[backend].changes, span)
        seen.update(state for _, _, state in found)
        drawn = joined(_period(backend, *period, span) for period in found)
        bands.append(fill("band", backend=backend.name, periods=drawn))
    legend = joined(
        fill("legend", colour=colour, name=words)
        for state, (words, colour) in STATES.items()
        if state in seen
    )
    more = len(backends) - MOST_BANDS
    rest = fill("more", count=more) if more > 0 else EMPTY
    return fill("states", bands=joined(bands), rest=rest, legend=legend)


def _period(backend: Backend, start: float, end: float, state: str, span: float) -> Html:
    words, colour = STATES[state]
    return fill(
        "period",
        x=f"{start / span * 1000:.1f}",
        width=f"{max((end - start) / span * 1000, 2):.1f}",
        colour=colour,
        about=f"{backend.name}: {words}, {seconds(start)} to {seconds(end)}",
    )


def periods(changes: Iterable[tuple[float, str]], span: float) -> list[tuple[float, float, str]]:
    """Returns from when to when a backend was in which of `STATES`, up to `span` seconds.

    A backend is up before the first of the changes, each of which is a time and the new state.
    """
    start, state = 0.0, "up"
    made = []
    for at, after in changes:
        at = min(at, span)
        if at > start:
            made.append((start, at, state))
        start, state = at, _worst(after)
    made.append((start, span, state))
    return made


def _worst(state: str) -> str:
    names = state.split(",")
    return max((name for name in names if name in STATES), key=_SEVERITY.index, default="up")


def scale(highest: float, least_step: float = 0.0) -> list[float]:
    """Returns round numbers from 0 up to `highest` or just above it, two to six of them."""
    if highest <= 1e-9:
        return [0.0, 1.0]
    step = 10.0 ** floor(log10(highest))
    while highest / step < 2:
        step /= 2
    while highest / step > 5:
        step *= 2
    step = max(step, least_step)
    return [step * at for at in range(ceil(highest / step - 1e-9) + 1)]


def number(value: float) -> str:
    """Returns a number as it stands on an axis."""
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if value >= factor * 10:
            return f"{value / factor:g} {unit}"
    return f"{value:g}"


def seconds(value: float) -> str:
    """Returns a duration in the unit that suits it."""
    if value == 0:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    if value < 7200:
        return f"{value / 60:.3g} min"
    return f"{value / 3600:.3g} h"
