"""Replays: what is counted, how it is shown, and that memory does not grow with the traffic."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import config_from
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools.arguments import Progress
from l7proxy.tools.formats import Traffic
from l7proxy.tools.metrics import MOST_CHANGES, MOST_NOTES, SLOTS, Latencies, ReplayMetrics
from l7proxy.tools.page import page
from l7proxy.tools.plots import fewer, number, periods, scale, seconds
from l7proxy.tools.replay import as_text, balance, replay, report, slots
from tests.processes import ROOT
from tests.tools.here import run

POOLS: dict[str, Any] = {
    "api": {
        "backends": ["a:80", {"address": "b:80", "weight": 3}],
        "simulate": {"latency": 0.5},
    },
    "web": {"backends": ["w:80"], "rate_limit": {"requests_per_second": 1, "burst": 2}},
}


def request(at: float, path: str, src: str = "c", **body: Any) -> dict[str, Any]:
    return {"src": src, "at": at, "body": {"type": "http_request", "path": path, **body}}


def played(
    envelopes: Iterable[dict[str, Any]], config: dict[str, Any] | None = None, seed: int = 0
) -> tuple[dict[str, Any], ReplayMetrics]:
    return played_traffic(Traffic(json.dumps(envelope) for envelope in envelopes), config, seed)


def played_traffic(
    traffic: Traffic, config: dict[str, Any] | None = None, seed: int = 0
) -> tuple[dict[str, Any], ReplayMetrics]:
    metrics = ReplayMetrics()
    player = ReplayNode(
        config_from(config or {"backend_pools": POOLS}),
        Random(seed),
        metrics.ended,
        on_configured=metrics.watch,
        on_note=metrics.note,
    )
    replay(traffic, [player])
    return report(metrics, traffic, player.refused), metrics


MIXED = [
    *(request(n / 10, "/api/x") for n in range(8)),
    *(request(1, "/web/x") for _ in range(3)),
    request(1, "/none"),
    request(1, "/api/x", method=3),
]


def test_a_report_says_how_many_requests_took_which_way() -> None:
    made, _ = played(MIXED)
    assert made["requests"] == 12
    assert made["refused"] == 1
    assert made["statuses"] == {"200": 10, "404": 1, "429": 1}
    assert [(r["route"], r["requests"], r["statuses"]) for r in made["routes"]] == [
        ("/api/*", 8, {"200": 8}),
        ("/web/*", 3, {"200": 2, "429": 1}),
        ("no route matches", 1, {"404": 1}),
    ]
    assert made["seconds"] == 1.2
    assert made["latency"]["max"] == 0.5


def test_a_report_says_what_each_backend_got_and_what_each_limit_refused() -> None:
    made, _ = played(MIXED)
    api, web = made["pools"]
    assert [(b["backend"], b["attempts"]) for b in api["backends"]] == [("a", 2), ("b", 6)]
    assert api["balance"] == {"max_over_mean": 1, "coefficient_of_variation": 0}
    assert web["requests"] == 2
    assert made["limited"] == 1
    assert made["limits"] == [{"limit": "pool web", "admitted": 2, "refused": 1}]


def test_the_requests_of_a_log_go_where_those_of_envelopes_go() -> None:
    asked = [(n // 3, f"{'/api' if n % 2 else '/web'}/{n}", f"192.0.2.{n % 5}") for n in range(40)]
    log = [
        f'{src} - - [01/Mar/2026:12:00:{at:02} +0000] "GET {path} HTTP/1.1" 200 1 "-" "curl/8"'
        for at, path, src in asked
    ]
    envelopes = [request(*said, headers={"User-Agent": "curl/8"}) for said in asked]
    made, metrics = played_traffic(Traffic(log))
    expected, its_metrics = played(envelopes)
    assert made == {**expected, "format": "combined"}
    assert page(made, metrics, "") == page({**expected, "format": "combined"}, its_metrics, "")
    assert made["requests"] == 40 and made["limited"] > 0


def test_a_logged_field_that_could_not_be_sent_is_refused_as_the_node_refuses_it() -> None:
    line = '192.0.2.1 - - [01/Mar/2026:12:00:00 +0000] "GET /api/x HTTP/1.1" 200 1 "-" "curl/8"'
    lines = [line.replace("curl/8", agent) for agent in (r"a\x00b", "a b", "-", r"\t a  b\t")]
    lines += [f"a_b:1 {line}", f"..:1 {line}"]
    made, _ = played_traffic(Traffic(lines))
    assert made["statuses"] == {"200": 4, "400": 2}


def test_requests_that_took_no_route_are_told_apart_by_why() -> None:
    routes = [{"path": "/x", "methods": ["GET"], "backend_pool": "api"}]
    envelopes = [
        request(0, "/none"),
        request(0, "/none"),
        request(0, "/a%00"),
        request(0, "/../x"),
        request(0, "no/slash"),
        request(0, "/x", method="PUT"),
        request(0, "*", method="OPTIONS"),
    ]
    made, _ = played(envelopes, {"backend_pools": POOLS, "routes": routes})
    shown = [(r["route"], r["pool"], r["requests"], r["statuses"]) for r in made["routes"]]
    assert shown == [
        ("bad request", None, 3, {"400": 3}),
        ("no route matches", None, 2, {"404": 2}),
        ("no route takes this method", None, 1, {"405": 1}),
        ("the proxy itself", None, 1, {"200": 1}),
    ]
    assert "bad request " in as_text(made)


def test_how_many_were_in_flight_at_once_is_known_for_every_backend() -> None:
    made, metrics = played([request(at, "/api/x") for at in (0, 0, 0, 0, 2, 2)])
    peaks = [backend["peak_in_flight"] for backend in made["pools"][0]["backends"]]
    assert peaks == [1, 3]
    assert slots(metrics) <= SLOTS


def test_retries_ejections_and_what_the_pool_said_are_counted() -> None:
    pool = {
        "backends": ["a:80", {"address": "b:80", "simulate": {"faults": [{"fault": "reset"}]}}],
        "ejection": {"consecutive_failures": 2, "time": 5},
        "breaker": {"failures": 3, "open_time": 1},
    }
    made, metrics = played(
        [request(at, "/p") for at in range(12)],
        {"backend_pools": {"p": pool}},
    )
    assert made["statuses"] == {"200": 12}
    assert made["ejections"] == 2
    assert made["retries"] == made["pools"][0]["backends"][1]["failures"] > 2
    changes = [state for _, state in metrics.series[_backend(metrics, "b")].changes]
    assert changes[:4] == ["ejected", "up", "broken", "half-open"]
    assert any("is ejected for 5 s" in note["text"] for note in made["notes"])


def test_sessions_that_had_to_move_are_counted() -> None:
    config = {
        "backends": ["a:80", "b:80"],
        "sticky": {"learn": {"cookie": "SID"}},
        "simulate": {"headers": {"Set-Cookie": "SID=x"}},
    }
    pool = {"backend_pools": {"p": config}}
    gone = {"type": "backend", "pool": "p", "backend": "a", "set": {"state": "down"}}
    again = request(2, "/p", headers={"Cookie": "SID=x"})
    envelopes = [request(0, "/p"), {"src": "op", "at": 1, "body": gone}, again]
    made, _ = played(envelopes, pool)
    assert made["sessions_moved"] == 1


def test_an_init_in_the_traffic_brings_its_configuration_and_new_backends_are_known() -> None:
    pools = {"first": {"backends": ["f:80"]}, "default": {"backends": ["x:80"]}}
    routes = [{"path_pattern": "/*", "backend_pool": "default"}]
    init = {"type": "init", "backend_pools": pools, "routes": routes}
    add = {"type": "add_backend", "pool": "default", "backend": "y:80"}
    envelopes = [
        {"src": "c", "at": 0, "body": init},
        {"src": "c", "at": 0, "body": add},
        request(0, "/anything"),
        request(0, "/anything"),
    ]
    made, _ = played(envelopes)
    (pool,) = [pool for pool in made["pools"] if pool["pool"] == "default"]
    assert [backend["attempts"] for backend in pool["backends"]] == [1, 1]


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
    series = metrics.series[_backend(metrics, "a")]
    assert len(series.changes) == MOST_CHANGES
    assert series.changes[:3] == [(0, "down"), (0, "up"), (1, "down")]
    assert series.state == "up"


def test_the_text_has_every_part_of_the_report() -> None:
    made, _ = played([*(request(0, "/web/x") for _ in range(3)), request(0, "/api/x", method=1)])
    text = as_text(made)
    assert text.startswith("3 requests in 0 s (envelopes)\nstatuses   200 x 2  429 x 1\n")
    assert "refused    1 messages that were not valid" in text
    assert "pool web: round-robin, 2 requests, max/mean 1.000, variation 0.000" in text
    assert "limit pool web: 2 admitted, 1 refused" in text
    assert as_text(played([])[0]).startswith("0 requests in 0 s")


def test_balance_is_none_where_there_is_no_load() -> None:
    assert balance([0, 0]) == {"max_over_mean": None, "coefficient_of_variation": None}
    assert balance([1, 3]) == {"max_over_mean": 1.5, "coefficient_of_variation": 0.5}


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


def test_the_page_stands_alone() -> None:
    made, metrics = played([*(request(n, "/api/<x>") for n in range(20)), request(20, "/web/x")])
    made["notes"] = [{"at": 1, "text": "<b>"}]
    text = page(made, metrics, "a <title>")
    assert "<script" not in text and "http://" not in text and "https://" not in text
    assert "default-src 'none'" in text
    assert "a &lt;title&gt;" in text and "&lt;b&gt;" in text
    for plot in ("requests", "in-flight", "states"):
        assert f'data-plot="{plot}"' in text


def test_a_page_of_nothing_is_a_page() -> None:
    made, metrics = played([])
    assert "0</b>requests" in page(made, metrics, "nothing")


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


LOG = ROOT / "examples" / "access.log"


def test_the_command_prints_a_report_and_writes_the_page(tmp_path: Path) -> None:
    done = run("replay", LOG, "--html", tmp_path / "report.html")
    assert (done.status, done.err) == (0, "")
    assert "(combined)" in done.out
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_as_json_the_report_is_for_machines(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("garbage\n" * 7 + LOG.read_text())
    done = run("replay", "--format", "combined", log, "--json")
    assert json.loads(done.out)["bad_lines"] == 7
    assert done.err.startswith(
        "7 lines were skipped\n  line 1: not a line of a combined access log"
    )
    assert done.err.endswith("  ...\n") and done.err.count("\n") == 7


def test_a_replay_of_lines_none_of_which_can_be_read_is_no_report(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("garbage\n")
    done = run("replay", "--format", "combined", log)
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1] == (
        f'l7proxy: {log}: no line of it is of the format "combined"; --format says which it is in'
    )
    log.write_text("")
    assert run("replay", "--format", "combined", log).status == 0


def test_a_line_that_is_skipped_and_names_that_are_reported_do_nothing_to_a_terminal(
    tmp_path: Path,
) -> None:
    log, config = tmp_path / "access.log", tmp_path / "config.json"
    log.write_text(LOG.read_text() + "\x1b]0;title\x07\n")
    config.write_text('{"backend_pools": {"\\u001b[2J": {"backends": ["a"]}}, '
                      '"routes": [], "default": "\\u001b[2J"}')  # fmt: skip
    done = run("replay", "--config", config, log)
    assert done.status == 0
    assert done.err.splitlines() == [
        "1 line was skipped",
        "  line 301: not a line of a combined access log: \\x1b]0;title\\x07",
    ]
    assert "pool \\x1b[2J: round-robin" in done.out and "\x1b" not in done.out
    done = run("replay", "--strict", "--config", config, log)
    assert done.err.endswith(": \\x1b]0;title\\x07\n") and done.err.count("\n") == 1


@pytest.mark.parametrize(("words", "complaint"), [
    (["--strict", "--format", "haproxy", str(LOG)], "line 1: not a line of HAProxy"),
    (["/nowhere.log"], "/nowhere.log: No such file"),
    ([str(ROOT / "LICENSE")], "no known format"),
    ([str(LOG), "--config", "/nowhere.json"], "/nowhere.json: No such file"),
    ([str(LOG), "--format", "json", "--map", "colour=c"], "must be NAME=FIELD"),
    ([str(LOG), "--format", "json", "--map", "duration=took:parsec"], '"took:parsec": the unit'),
    ([str(LOG), "--html", "/nowhere/report.html"], "/nowhere/report.html: No such file"),
])  # fmt: skip
def test_what_can_not_be_used_is_said_with_exit_status_2(words: list[str], complaint: str) -> None:
    done = run("replay", *words)
    assert done.status == 2
    assert complaint in done.err


def _backend(metrics: ReplayMetrics, name: str) -> Any:
    return next(backend for backend in metrics.series if backend.name == name)


def test_a_log_may_be_gzipped_or_come_on_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(LOG.read_bytes()))
    report = run("replay", LOG).out
    assert run("replay", packed).out == report
    monkeypatch.setattr("sys.stdin", LOG.open())
    assert run("replay", "-").out == report


def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text(LOG.read_text() * 20)
    shown: list[str] = []
    with log.open() as lines:
        progress = Progress(lines, log.stat().st_size, shown.append)
        progress.clear()
        assert shown == []
        metrics = ReplayMetrics()
        player = ReplayNode(config_from({"backend_pools": POOLS}), Random(0), metrics.ended,
                            on_configured=metrics.watch)  # fmt: skip
        replay(Traffic(lines), [player], progress)
        progress.clear()
    assert shown[0].startswith("\r[#") and "% 1024 messages" in shown[0]
    assert shown[-1] == "\r\x1b[K"
