"""What a replay counts, and that its memory does not grow with the traffic."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.tools.metrics import MOST_CHANGES, MOST_NOTES, SLOTS, Latencies, ReplayMetrics
from l7proxy.tools.replay import slots
from tests.tools.replays import backend_named, played, request


def test_how_many_were_in_flight_at_once_is_known_for_every_backend() -> None:
    made, metrics = played([request(at, "/api/x") for at in (0, 0, 0, 0, 2, 2)])
    peaks = [backend["peak_in_flight"] for backend in made["pools"][0]["backends"]]
    assert peaks == [1, 3]
    assert slots(metrics) <= SLOTS


def test_of_very_many_notes_the_first_are_kept_and_all_are_counted() -> None:
    metrics = ReplayMetrics()
    for at in range(MOST_NOTES + 5):
        metrics.note(at, "again")
    assert metrics.noted == MOST_NOTES + 5
    assert metrics.notes == [(at, "again") for at in range(MOST_NOTES)]


def test_of_a_backend_that_changes_very_often_the_first_changes_are_kept() -> None:
    change = {"type": "backend", "pool": "api", "backend": "a"}
    envelopes = [
        {"src": "op", "at": at, "body": {**change, "set": {"state": state}}}
        for at in range(MOST_CHANGES)
        for state in ("down", "up")
    ]
    _, metrics = played(envelopes)
    series = metrics.series[backend_named(metrics, "a")]
    assert len(series.changes) == MOST_CHANGES
    assert series.changes[:3] == [(0, "down"), (0, "up"), (1, "down")]
    assert series.state == "up"


@given(st.lists(st.floats(0, 1e4), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1]))
def test_percentiles_are_right_to_within_two_percent(values: list[float], share: float) -> None:
    latencies = Latencies()
    for value in values:
        if value:
            latencies.add(value)
    place = max(0, -(-len(values) * share // 1) - 1)
    exact = sorted(values)[int(place)]
    found = latencies.percentile(share, len(values))
    assert found == pytest.approx(exact, rel=0.0201, abs=0)
    assert Latencies().percentile(share, 0) == 0


@given(st.lists(st.floats(0, 50), max_size=60), st.sampled_from([0.01, 3.0, 200.0]))
def test_however_long_it_takes_no_request_is_lost_from_the_plots(
    gaps: list[float], stretch: float
) -> None:
    at = 0.0
    envelopes = []
    for gap in gaps:
        at += gap * stretch
        envelopes.append(request(at, "/api/x"))
    _, metrics = played(envelopes)
    counted = sum(sum(series.requests) for series in metrics.series.values())
    assert counted == len(gaps)
    assert all(len(series.requests) == SLOTS for series in metrics.series.values())


def test_memory_does_not_grow_with_the_traffic() -> None:
    def traffic(count: int) -> Iterable[dict[str, Any]]:
        return (request(n / 100, f"/api/{n}", src=f"c{n}") for n in range(count))

    played(traffic(2000))
    peaks = []
    for count in (2000, 20000):
        tracemalloc.start()
        played(traffic(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3
