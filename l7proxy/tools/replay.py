"""`l7proxy replay`: recorded traffic in virtual time, and what a configuration made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any, Protocol

from l7proxy.core.http import local_reply
from l7proxy.tools.metrics import SLOTS, ReplayMetrics

if TYPE_CHECKING:
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.routing import Route
    from l7proxy.tools.formats import Traffic

    RouteTaken = Route | str | None
    """The route of a request, or why it took none: see `ReplayMetrics.outcomes`."""


class Player(Protocol):
    """What traffic is played to: a replay node, or what was answered to it in reality."""

    refused: int
    """How many messages were not valid, and so never decided upon."""

    def play(self, envelope: Mapping[str, Any], number: int) -> None:
        """Handles an envelope, whose `at` is its time; `number` is the line that it is in."""

    def play_request(self, request: HttpRequest, at: float, number: int) -> None:
        """Handles a request at `at` (seconds); `number` is the line that it is in."""

    def end(self) -> None:
        """Lets everything that is in flight come to its end."""


PERCENTILES = (50, 90, 99)


def replay(
    traffic: Traffic,
    players: Sequence[Player],
    progress: Callable[[int], None] | None = None,
) -> int:
    """Plays all of the traffic to each player, step by step, and what is in flight to its end.

    Returns how many lines were played. `progress(lines)` is called for each 1024 of them.
    """
    count = 0
    if traffic.is_log:
        for count, (number, at, request) in enumerate(traffic.requests(), 1):
            for player in players:
                player.play_request(request, at, number)
            if not count & 0x3FF and progress is not None:
                progress(count)
    else:
        for count, (number, envelope) in enumerate(traffic.envelopes(), 1):
            for player in players:
                player.play(envelope, number)
            if not count & 0x3FF and progress is not None:
                progress(count)
    for player in players:
        player.end()
    return count


def report(metrics: ReplayMetrics, traffic: Traffic, refused: int = 0) -> dict[str, Any]:
    """Returns the metrics as JSON values: durations in seconds, shares from 0 to 1."""
    assert metrics.proxy is not None
    total = sum(metrics.outcomes.values())
    pools = list(dict.fromkeys(metrics.pool_of.values()))
    by_status = _counted(metrics, lambda route, pool, status: status)
    by_pool = _counted(metrics, lambda route, pool, status: pool and pool.name)
    limits = [] if metrics.proxy.limits is None else metrics.proxy.limits.snapshot()
    return {
        "requests": total,
        "refused": refused,
        "seconds": round(metrics.until, 6),
        "format": traffic.format,
        "bad_lines": traffic.bad,
        "statuses": _in_order(by_status),
        "latency": _latency_report(metrics, total),
        "retries": metrics.retried,
        "ejections": metrics.ejections,
        "sessions_moved": sum(
            pool.affinity.snapshot()["replaced"] for pool in pools if pool.affinity is not None
        ),
        "limited": sum(limit["refused"] for limit in limits),
        "limits": [
            {key: limit[key] for key in ("limit", "admitted", "refused")} for limit in limits
        ],
        "routes": _route_reports(metrics, total),
        "pools": [_pool_report(metrics, pool, by_pool.get(pool.name, 0), total) for pool in pools],
        "notes": [{"at": round(at, 6), "text": text} for at, text in metrics.notes],
    }


def _latency_report(metrics: ReplayMetrics, total: int) -> dict[str, float]:
    latencies = metrics.latencies
    shown = {f"p{p}": round(latencies.percentile(p / 100, total), 6) for p in PERCENTILES}
    return {**shown, "max": round(latencies.largest, 6)}


def _route_reports(metrics: ReplayMetrics, total: int) -> list[dict[str, Any]]:
    by_route = _counted(metrics, lambda route, pool, status: route)
    return [
        {
            **_shown_route(route),
            "requests": count,
            "share": _share(count, total),
            "statuses": _in_order(_statuses_of(metrics, route)),
        }
        for route, count in sorted(by_route.items(), key=lambda item: -item[1])
    ]


_TEXTS = {
    known.name: known.text
    for known in vars(local_reply).values()
    if isinstance(known, local_reply.LocalReply)
}
"""What each local reply says, by its name."""


def _shown_route(route: RouteTaken) -> dict[str, Any]:
    if route is None or isinstance(route, str):
        text = "the proxy itself" if route is None else _TEXTS[route]
        return {"route": text, "pattern": None, "pool": None}
    return {"route": str(route), "pattern": route.pattern, "pool": route.pool_name}


def _counted(
    metrics: ReplayMetrics, key: Callable[[RouteTaken, Pool | None, int], Any]
) -> dict[Any, int]:
    """Returns how many requests there were for each key."""
    counts: dict[Any, int] = {}
    for (route, pool, _, status), count in metrics.outcomes.items():
        found = key(route, pool, status)
        counts[found] = counts.get(found, 0) + count
    return counts


def _statuses_of(metrics: ReplayMetrics, wanted: RouteTaken) -> dict[int, int]:
    counts: dict[int, int] = {}
    for (route, _, _, status), count in metrics.outcomes.items():
        if route == wanted:
            counts[status] = counts.get(status, 0) + count
    return counts


def _in_order(by_status: Mapping[int, int]) -> dict[str, int]:
    return {str(status): by_status[status] for status in sorted(by_status)}


def _pool_report(metrics: ReplayMetrics, pool: Pool, requests: int, total: int) -> dict[str, Any]:
    backends = [backend for backend, its in metrics.pool_of.items() if its is pool]
    attempts = sum(backend.total for backend in backends)
    by_weight = [backend.total / backend.full_weight for backend in backends]
    return {
        "pool": pool.name,
        "algorithm": pool.config.algorithm,
        "requests": requests,
        "share": _share(requests, total),
        "balance": balance(by_weight),
        "backends": [_backend_report(metrics, backend, attempts) for backend in backends],
    }


def _backend_report(metrics: ReplayMetrics, backend: Backend, attempts: int) -> dict[str, Any]:
    series = metrics.series[backend]
    return {
        "backend": backend.name,
        "weight": backend.full_weight,
        "attempts": backend.total,
        "share": _share(backend.total, attempts),
        "failures": backend.failures,
        "peak_in_flight": series.peak,
        "state": series.state,
    }


def balance(loads: Sequence[float]) -> dict[str, float | None]:
    """Returns how even loads are: the largest over the mean, and the coefficient of variation.

    They are 1 and 0 where all loads are equal, and None where there is no load.
    """
    mean = sum(loads) / len(loads) if loads else 0
    if not mean:
        return {"max_over_mean": None, "coefficient_of_variation": None}
    variance = sum((load - mean) ** 2 for load in loads) / len(loads)
    return {
        "max_over_mean": round(max(loads) / mean, 4),
        "coefficient_of_variation": round(sqrt(variance) / mean, 4),
    }


def _share(part: float, total: float) -> float:
    return round(part / total, 4) if total else 0.0


def levels(metrics: ReplayMetrics, backend: Backend) -> list[int]:
    """Returns the most in flight on the backend in each slot, as far as the replay went."""
    series = metrics.series[backend]
    shown = []
    level = 0
    for slot in range(slots(metrics)):
        shown.append(max(series.in_flight[slot], level))
        if series.level[slot] >= 0:
            level = series.level[slot]
    return shown


def slots(metrics: ReplayMetrics) -> int:
    """Returns how many slots the replay has used."""
    return min(int(metrics.until / metrics.width) + 1, SLOTS)


def as_text(report: Mapping[str, Any]) -> str:
    """Returns the report for a terminal."""
    lines = [
        f"{report['requests']} requests in {_duration(report['seconds'])} ({report['format']})",
        "statuses   " + _listed(report["statuses"]),
        "latency    " + "  ".join(f"{k} {_duration(v)}" for k, v in report["latency"].items()),
        f"retries    {report['retries']}   ejections {report['ejections']}"
        f"   sessions moved {report['sessions_moved']}   limited {report['limited']}",
    ]
    if report["refused"]:
        lines.append(f"refused    {report['refused']} messages that were not valid")
    lines += ["", *_routes_as_text(report["routes"])]
    for pool in report["pools"]:
        lines += ["", *_pool_as_text(pool)]
    for limit in report["limits"]:
        admitted, refused = limit["admitted"], limit["refused"]
        lines += ["", f"limit {limit['limit']}: {admitted} admitted, {refused} refused"]
    return "\n".join(lines) + "\n"


def _routes_as_text(routes: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [("route", "pool", "requests", "share", "statuses")]
    rows += [
        (
            route["route"],
            route["pool"] or "-",
            str(route["requests"]),
            _percent(route["share"]),
            _listed(route["statuses"]),
        )
        for route in routes
    ]
    return _table(rows, "<<>><")


def _pool_as_text(pool: Mapping[str, Any]) -> list[str]:
    title = f"pool {pool['pool']}: {pool['algorithm']}, {pool['requests']} requests"
    even = pool["balance"]
    if even["max_over_mean"] is not None:
        title += f", max/mean {even['max_over_mean']:.3f}"
        title += f", variation {even['coefficient_of_variation']:.3f}"
    rows = [("backend", "weight", "attempts", "share", "failures", "peak", "state")]
    rows += [
        (
            backend["backend"],
            f"{backend['weight']:g}",
            str(backend["attempts"]),
            _percent(backend["share"]),
            str(backend["failures"]),
            str(backend["peak_in_flight"]),
            backend["state"],
        )
        for backend in pool["backends"]
    ]
    return [title, *_table(rows, "<>>>>><")]


def _table(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Returns the lines of a table whose columns are aligned left (`<`) or right (`>`)."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _listed(counts: Mapping[str, int]) -> str:
    return "  ".join(f"{name} x {count}" for name, count in counts.items()) or "none"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _duration(seconds: float) -> str:
    if 0 < seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.4g} s" if seconds < 100 else f"{seconds:.0f} s"
