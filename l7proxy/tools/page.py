"""The report of a replay as one web page: no scripts, nothing to fetch, readable on a phone."""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10

from l7proxy.tools.replay import levels, slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.tools.metrics import ReplayMetrics

MOST_LINES = 8
"""Lines in one plot; the backends beyond them are drawn as one."""
MOST_BANDS = 40
FEW = 12
"""Requests of a pool in one drawn slot, below which chance is all that would be seen."""

WIDTH, HEIGHT = 480, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 24

BANDS = {
    "up": "up",
    "down": "down",
    "ejected": "ejected",
    "broken": "circuit open",
    "half-open": "circuit half-open",
    "drain": "draining",
    "maint": "in maintenance",
    "removed": "removed",
}
"""The states that have a colour of their own, the worse the later of those that coincide."""

STYLE = """
:root { --ink: #1c2733; --dim: #5d6b7a; --line: #d9dfe5; --paper: #fff; --card: #f5f7f9;
  --c0: #2a6fdb; --c1: #e0652b; --c2: #1f9d6b; --c3: #b0409a; --c4: #c79a00; --c5: #17a2b8;
  --c6: #7a5cff; --c7: #7b8794; --up: #2f9e69; --bad: #d33f49; --ejected: #e8833a;
  --broken: #a5273a; --half: #e3b341; --drain: #5b8def; --maint: #7b8794; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --dim: #9aa7b4; --line: #32404d;
  --paper: #11171d; --card: #1a232c; --c0: #6ea2ff; --c1: #ff9760; --c2: #4fd39b; --c3: #e07fcd;
  --c4: #e8c14a; --c5: #4cc9dd; --c6: #a48dff; --c7: #a3b0bd; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--paper);
  color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .2rem 0 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 0 0 .3rem; }
p { margin: .2rem 0; } .dim { color: var(--dim); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .6rem;
  margin: 1rem 0; }
.cards div { background: var(--card); border-radius: .5rem; padding: .5rem .7rem; }
.cards b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
  gap: 1rem; }
figure { margin: 0; background: var(--card); border-radius: .5rem; padding: .7rem; min-width: 0; }
figure.wide { grid-column: 1 / -1; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--dim); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; } .path { fill: none; stroke-width: 2;
  stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; margin: .4rem 0 0; font-size: .85rem;
  padding: 0; list-style: none; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem;
  margin-right: .35rem; vertical-align: -.08rem; }
.bands { display: grid; grid-template-columns: minmax(4rem, max-content) 1fr; gap: .25rem .6rem;
  align-items: center; font-size: .85rem; }
.bands span { overflow-wrap: anywhere; } .bands svg { height: 1.1rem; border-radius: .2rem; }
.scroll { overflow-x: auto; margin-top: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--dim); font-weight: 600; }
th:first-child, td:first-child, .left { text-align: left; }
td.wrap { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
.flag { display: inline-block; height: .6rem; border-radius: .2rem; background: var(--c0);
  vertical-align: middle; }
ol { padding-left: 1.3rem; font-size: .9rem; }
@media (max-width: 34rem) { svg text { font-size: 15px; } .flag { display: none; }
  th, td { padding: .3rem .3rem; } table { font-size: .85rem; } td.wrap { min-width: 5rem; } }
"""

BAND_COLOURS = {
    "up": "--up",
    "down": "--bad",
    "ejected": "--ejected",
    "broken": "--broken",
    "half-open": "--half",
    "drain": "--drain",
    "maint": "--maint",
    "removed": "--line",
}


def page(made: Mapping[str, Any], metrics: ReplayMetrics, title: str) -> str:
    """The page for a report and the tally it was made from."""
    sections = []
    pools: dict[Pool, list[Backend]] = {}
    for backend, pool in metrics.pool_of.items():
        pools.setdefault(pool, []).append(backend)
    for shown, (pool, backends) in zip(made["pools"], pools.items(), strict=True):
        sections.append(_pool(shown, pool, backends, metrics))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n{_summary(made)}{_routes(made)}"
        f"{''.join(sections)}{_limits(made)}{_notes(made)}</body></html>\n"
    )


def _summary(made: Mapping[str, Any]) -> str:
    latency = made["latency"]
    statuses = "".join(
        f"<div><b>{count:,}</b>status {escape(status)}</div>"
        for status, count in made["statuses"].items()
    )
    cards = [
        (f"{made['requests']:,}", "requests"),
        (seconds(made["seconds"]), "of traffic"),
        (seconds(latency["p50"]), "median latency"),
        (seconds(latency["p99"]), "99 % within"),
        (f"{made['retries']:,}", "retries"),
        (f"{made['ejections']:,}", "ejections"),
        (f"{made['sessions_moved']:,}", "sessions moved"),
        (f"{made['limited']:,}", "over a limit"),
    ]
    shown = "".join(f"<div><b>{value}</b>{name}</div>" for value, name in cards)
    bad = f", {made['bad_lines']:,} lines could not be read" if made["bad_lines"] else ""
    return (
        f'<p class="dim">Read as {escape(made["format"])}{bad}.</p>'
        f'<div class="cards">{shown}{statuses}</div>\n'
    )


def _routes(made: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td class="wrap">{escape(route["route"])}</td>'
        f'<td class="left">{escape(route["pool"] or "-")}</td><td>{route["requests"]:,}</td>'
        f'<td class="left"><span class="bar" style="width:{route["share"] * 5:.2f}rem"></span> '
        f"{route['share']:.1%}</td>"
        f'<td class="left">{_statuses(route["statuses"])}</td></tr>'
        for route in made["routes"]
    )
    return (
        '<h2>Routes</h2><div class="scroll"><table data-table="routes"><tr><th>route</th>'
        '<th class="left">pool</th><th>requests</th><th class="left">share</th>'
        f'<th class="left">statuses</th></tr>{rows}</table></div>\n'
    )


def _statuses(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{escape(status)} &times; {count:,}" for status, count in counts.items())


def _pool(
    shown: Mapping[str, Any], pool: Pool, backends: Sequence[Backend], metrics: ReplayMetrics
) -> str:
    even = shown["balance"]
    words = f"{shown['algorithm']}, {shown['requests']:,} requests"
    if even["max_over_mean"] is not None:
        words += (
            f"; busiest backend at {even['max_over_mean']:.3f} of the mean for its weight, "
            f"variation {even['coefficient_of_variation']:.3f}"
        )
    each = _coarseness(metrics)
    count = slots(metrics)
    rates = [
        (
            b.name,
            [
                n / each / metrics.width
                for n in _joined(metrics.series[b].requests[:count], each, sum)
            ],
        )
        for b in backends
    ]
    flights = [
        (b.name, [float(n) for n in _joined(levels(metrics, b), each, max)]) for b in backends
    ]
    order = sorted(range(len(backends)), key=lambda at: -backends[at].total)
    rows = "".join(
        f'<tr><td class="wrap">{escape(each["backend"])}</td><td>{each["weight"]:g}</td>'
        f"<td>{each['attempts']:,}</td><td>{each['share']:.1%}</td><td>{each['failures']:,}</td>"
        f'<td>{each["peak_in_flight"]:,}</td><td class="left">{escape(each["state"])}</td></tr>'
        for each in shown["backends"]
    )
    return (
        f'<h2>Pool {escape(pool.name)}</h2><p class="dim">{escape(words)}</p><div class="plots">\n'
        + _plot("requests", "Requests per second", _fewer(rates, order, sum), metrics)
        + _plot("in-flight", "Most in flight", _fewer(flights, order, max), metrics, steps=True)
        + _bands(backends, metrics)
        + '</div><div class="scroll"><table><tr><th>backend</th><th>weight</th><th>attempts</th>'
        "<th>share</th><th>failures</th><th>peak in flight</th>"
        f'<th class="left">state at the end</th></tr>{rows}</table></div>\n'
    )


Line = tuple[str, list[float]]


def _fewer(lines: Sequence[Line], order: Sequence[int], join: Any) -> list[Line]:
    """The busiest backends' lines in the order of the file, and one for all the others."""
    if len(lines) <= MOST_LINES:
        return list(lines)
    kept = sorted(order[: MOST_LINES - 1])
    rest = [lines[at][1] for at in order[MOST_LINES - 1 :]]
    what = "most of" if join is max else "all of"
    others = [join(column) for column in zip(*rest, strict=True)]
    return [*(lines[at] for at in kept), (f"{what} {len(rest)} others", others)]


def _plot(
    kind: str, title: str, lines: Sequence[Line], metrics: ReplayMetrics, *, steps: bool = False
) -> str:
    most = max((max(values, default=0) for _, values in lines), default=0)
    ticks = scale(most, least_step=1.0 if steps else 0.0)
    top = ticks[-1]
    span = _span(metrics)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def y(value: float) -> float:
        return round(bottom - value / top * (bottom - TOP), 1)

    marks = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{number(tick)}</text>'
        for tick in ticks
    )
    paths = "".join(
        f'<path class="path" style="stroke:var(--c{at % MOST_LINES})" '
        f'd="{_path(values, right - LEFT, y, steps=steps)}"><title>{escape(name)}</title></path>'
        for at, (name, values) in enumerate(lines)
    )
    legend = "".join(
        f'<li><i style="background:var(--c{at % MOST_LINES})"></i>{escape(name)}</li>'
        for at, (name, _) in enumerate(lines)
    )
    return (
        f'<figure><h3>{title}</h3><svg data-plot="{kind}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{title}">{marks}{_times(span, right)}{paths}</svg>'
        f'<ul class="legend">{legend}</ul></figure>\n'
    )


def _path(values: Sequence[float], width: float, y: Any, *, steps: bool) -> str:
    """Straight lines between the middles of the slots, or steps along the slots."""
    slot = width / len(values)
    if steps:
        return "".join(
            f"{_move(at)}{LEFT + at * slot:.1f} {y(value)}H{LEFT + (at + 1) * slot:.1f}"
            for at, value in enumerate(values)
        )
    if len(values) == 1:
        return f"M{LEFT} {y(values[0])}H{LEFT + width:.1f}"
    return "".join(
        f"{_move(at)}{LEFT + (at + 0.5) * slot:.1f} {y(value)}" for at, value in enumerate(values)
    )


def _times(span: float, right: float) -> str:
    middle = (LEFT + right) / 2
    return "".join(
        f'<text x="{x}" y="{HEIGHT - 6}" text-anchor="{anchor}">{seconds(at)}</text>'
        for x, anchor, at in (
            (LEFT, "start", 0.0),
            (middle, "middle", span / 2),
            (right, "end", span),
        )
    )


def _bands(backends: Sequence[Backend], metrics: ReplayMetrics) -> str:
    span = _span(metrics)
    seen: set[str] = set()
    rows = []
    for backend in backends[:MOST_BANDS]:
        pieces = []
        for start, end, state in _periods(metrics.series[backend].changes, span):
            seen.add(state)
            x, width = start / span * 1000, max((end - start) / span * 1000, 2)
            when = f"{backend.name}: {BANDS[state]}, {seconds(start)} to {seconds(end)}"
            pieces.append(
                f'<rect x="{x:.1f}" width="{width:.1f}" height="10" '
                f'style="fill:var({BAND_COLOURS[state]})"><title>{escape(when)}</title></rect>'
            )
        rows.append(
            f'<span>{escape(backend.name)}</span><svg data-plot="states" viewBox="0 0 1000 10" '
            f'preserveAspectRatio="none" role="img" aria-label="states of {escape(backend.name)}">'
            f"{''.join(pieces)}</svg>"
        )
    legend = "".join(
        f'<li><i style="background:var({BAND_COLOURS[state]})"></i>{BANDS[state]}</li>'
        for state in BANDS
        if state in seen
    )
    more = len(backends) - MOST_BANDS
    rest = f'<p class="dim">and {more} more backends</p>' if more > 0 else ""
    return (
        '<figure class="wide"><h3>Health and circuits</h3>'
        f'<div class="bands">{"".join(rows)}</div>{rest}'
        f'<ul class="legend">{legend}</ul></figure>\n'
    )


def _periods(changes: Iterable[tuple[float, str]], span: float) -> list[tuple[float, float, str]]:
    """From when to when a backend was in which of the states in `BANDS`."""
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
    return max((name for name in names if name in BANDS), key=list(BANDS).index, default="up")


def _limits(made: Mapping[str, Any]) -> str:
    if not made["limits"]:
        return ""
    rows = "".join(
        f'<tr><td class="wrap">{escape(limit["limit"])}</td><td>{limit["admitted"]:,}</td>'
        f"<td>{limit['refused']:,}</td></tr>"
        for limit in made["limits"]
    )
    return (
        '<h2>Limits</h2><div class="scroll"><table><tr><th>limit</th><th>admitted</th>'
        f"<th>refused</th></tr>{rows}</table></div>\n"
    )


def _notes(made: Mapping[str, Any]) -> str:
    if not made["notes"]:
        return ""
    items = "".join(
        f"<li>{seconds(note['at'])}: {escape(note['text'])}</li>" for note in made["notes"]
    )
    return f"<h2>What happened</h2><ol>{items}</ol>\n"


def _coarseness(metrics: ReplayMetrics) -> int:
    """How many slots are drawn as one, so that there is more to see in them than chance."""
    requests = sum(sum(series.requests) for series in metrics.series.values())
    pools = len(set(metrics.pool_of.values()))
    made = 1
    while slots(metrics) / made > 12 and requests * made < FEW * slots(metrics) * pools:
        made *= 2
    return made


def _joined(values: Sequence[int], each: int, join: Any) -> list[int]:
    return [join(values[at : at + each]) for at in range(0, len(values), each)]


def _span(metrics: ReplayMetrics) -> float:
    """The seconds that are drawn: whole slots, as they are drawn."""
    each = _coarseness(metrics)
    return ceil(slots(metrics) / each) * each * metrics.width


def scale(most: float, least_step: float = 0.0) -> list[float]:
    """Round numbers from 0 up to `most` or just above it, two to six of them."""
    if most <= 1e-9:
        return [0.0, 1.0]
    step = 10.0 ** floor(log10(most))
    while most / step < 2:
        step /= 2
    while most / step > 5:
        step *= 2
    step = max(step, least_step)
    return [step * at for at in range(ceil(most / step - 1e-9) + 1)]


def number(value: float) -> str:
    """A number on an axis."""
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if value >= factor * 10:
            return f"{value / factor:g} {unit}"
    return f"{value:g}"


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    if value == 0:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    if value < 7200:
        return f"{value / 60:.3g} min"
    return f"{value / 3600:.3g} h"


def _move(at: int) -> str:
    return "L" if at else "M"
