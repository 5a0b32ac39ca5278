"""Replays: what is reported, as text and as JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from l7proxy.tools.formats import Traffic
from l7proxy.tools.page import page
from l7proxy.tools.replay import as_text, balance
from tests.processes import ROOT
from tests.tools.here import run
from tests.tools.replays import LOG, POOLS, backend_named, played, played_traffic, request

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
    changes = [state for _, state in metrics.series[backend_named(metrics, "b")].changes]
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
