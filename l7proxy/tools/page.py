"""The report of a replay as one web page: no scripts, nothing to fetch, readable on a phone.

What the page looks like is in `page.html`; here is what is put into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from l7proxy.tools.plots import plots, seconds
from l7proxy.tools.template import EMPTY, Html, fill, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.tools.metrics import ReplayMetrics


def page(report: Mapping[str, Any], metrics: ReplayMetrics, title: str) -> str:
    """Returns the page for a report and the metrics that it was made from."""
    backends_of: dict[Pool, list[Backend]] = {}
    for backend, pool in metrics.pool_of.items():
        backends_of.setdefault(pool, []).append(backend)
    pools = [
        _pool(of_pool, pool, backends, metrics)
        for of_pool, (pool, backends) in zip(report["pools"], backends_of.items(), strict=True)
    ]
    made = fill(
        "page",
        title=title,
        summary=_summary(report),
        routes=_routes(report),
        pools=joined(pools, "\n"),
        limits=_limits(report),
        notes=_notes(report),
    )
    return made.text + "\n"


def _summary(report: Mapping[str, Any]) -> Html:
    latency = report["latency"]
    cards = [
        (f"{report['requests']:,}", "requests"),
        (seconds(report["seconds"]), "of traffic"),
        (seconds(latency["p50"]), "median latency"),
        (seconds(latency["p99"]), "99 % within"),
        (f"{report['retries']:,}", "retries"),
        (f"{report['ejections']:,}", "ejections"),
        (f"{report['sessions_moved']:,}", "sessions moved"),
        (f"{report['limited']:,}", "over a limit"),
        *((f"{count:,}", f"status {status}") for status, count in report["statuses"].items()),
    ]
    bad = f", {report['bad_lines']:,} lines could not be read" if report["bad_lines"] else ""
    shown = joined(fill("card", value=value, name=name) for value, name in cards)
    return fill("summary", format=report["format"], bad=bad, cards=shown)


def _routes(report: Mapping[str, Any]) -> Html:
    rows = [
        fill(
            "route",
            route=route["route"],
            pool=route["pool"] or "-",
            requests=f"{route['requests']:,}",
            width=f"{route['share'] * 5:.2f}",
            share=f"{route['share']:.1%}",
            statuses=_statuses(route["statuses"]),
        )
        for route in report["routes"]
    ]
    return fill("routes", rows=joined(rows, "\n"))


def _statuses(counts: Mapping[str, int]) -> Html:
    shown = (fill("status", status=status, count=f"{count:,}") for status, count in counts.items())
    return joined(shown, ", ")


def _pool(
    report: Mapping[str, Any], pool: Pool, backends: Sequence[Backend], metrics: ReplayMetrics
) -> Html:
    rows = [
        fill(
            "backend",
            backend=of_backend["backend"],
            weight=f"{of_backend['weight']:g}",
            attempts=f"{of_backend['attempts']:,}",
            share=f"{of_backend['share']:.1%}",
            failures=f"{of_backend['failures']:,}",
            peak=f"{of_backend['peak_in_flight']:,}",
            state=of_backend["state"],
        )
        for of_backend in report["backends"]
    ]
    return fill(
        "pool",
        name=pool.name,
        about=_about_pool(report),
        plots=plots(backends, metrics),
        rows=joined(rows, "\n"),
    )


def _about_pool(report: Mapping[str, Any]) -> str:
    about = f"{report['algorithm']}, {report['requests']:,} requests"
    even = report["balance"]
    if even["max_over_mean"] is None:
        return about
    return (
        f"{about}; busiest backend at {even['max_over_mean']:.3f} of the mean for its weight, "
        f"variation {even['coefficient_of_variation']:.3f}"
    )


def _limits(report: Mapping[str, Any]) -> Html:
    if not report["limits"]:
        return EMPTY
    rows = [
        fill(
            "limit",
            limit=limit["limit"],
            admitted=f"{limit['admitted']:,}",
            refused=f"{limit['refused']:,}",
        )
        for limit in report["limits"]
    ]
    return fill("limits", rows=joined(rows, "\n"))


def _notes(report: Mapping[str, Any]) -> Html:
    if not report["notes"]:
        return EMPTY
    notes = (fill("note", at=seconds(note["at"]), text=note["text"]) for note in report["notes"])
    return fill("notes", notes=joined(notes))
