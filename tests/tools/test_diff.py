"""Comparing two configurations, or a configuration with what was really answered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import config_from
from l7proxy.node import Node
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools.diff import Allowance, Comparison, RecordedAnswers, as_json, as_text
from l7proxy.tools.formats import Traffic
from l7proxy.tools.replay import replay
from tests.processes import MAIN, ROOT
from tests.tools.here import run

A: dict[str, Any] = {
    "backend_pools": {"users": {"backends": ["u:80"]}, "web": {"backends": ["w1:80", "w2:80"]}},
    "routes": [
        {"path_pattern": "/users/*", "backend_pool": "users"},
        {"path_pattern": "/*", "backend_pool": "web"},
    ],
}
B: dict[str, Any] = {**A, "routes": [A["routes"][1]]}


def request(path: str, at: float = 0, msg_id: int | None = None, **body: Any) -> dict[str, Any]:
    made = {"type": "http_request", "path": path, **body}
    if msg_id is not None:
        made["msg_id"] = msg_id
    return {"src": "c", "dest": "n", "at": at, "body": made}


def compared(
    envelopes: Iterable[dict[str, Any]], before: Any = A, after: Any = B, settled: bool = True
) -> Comparison:
    comparison = Comparison()
    players = [
        ReplayNode(config_from(config), Random(0), comparison.side(side), ignore_init=settled)
        for side, config in enumerate((before, after))
    ]
    replay(Traffic(map(json.dumps, envelopes)), players)
    comparison.finish()
    return comparison


def test_requests_that_change_alike_are_one_group_with_its_first_examples() -> None:
    made = compared([*(request(f"/users/{n}") for n in range(4)), request("/x"), request("/y")])
    assert as_json(made) == {
        "compared": 6,
        "changed": 4,
        "changes": [
            {
                "count": 4,
                "before": {"route": "/users/*", "pool": "users"},
                "after": {"route": "/*", "pool": "web"},
                "examples": [{"line": n + 1, "request": f"GET /users/{n}"} for n in range(3)],
            }
        ],
    }
    text = as_text(compared([request("/users/1")]))
    assert text == (
        "1 of 1 requests change\n"
        "      1  route /users/* -> /*, pool users -> web\n"
        "         line 1: GET /users/1\n"
    )


def test_the_same_configuration_changes_nothing() -> None:
    assert compared([request("/users/1"), request("/x")], A, A).changes == {}


def test_a_message_that_one_side_refuses_is_a_change_of_everything() -> None:
    made = Comparison()
    made.add(0, 1, {"route": "/", "pool": "p", "backend": None, "status": 200})
    made.add(1, 2, {"route": "/", "pool": "p", "backend": None, "status": 200})
    made.finish()
    befores = [change["before"] for change in as_json(made)["changes"]]
    assert befores == [
        {"route": "/", "pool": "p", "status": 200},
        {"route": None, "pool": None, "status": None},
    ]


def test_a_configuration_in_the_traffic_does_not_replace_those_that_are_compared() -> None:
    init = {"src": "c", "at": 0, "body": {"type": "init", "node_id": "n", "backends": ["x:80"]}}
    assert compared([init, request("/users/1")]).changes
    assert not compared([init, request("/users/1")], settled=False).changes


@pytest.mark.parametrize(("said", "fine"), [
    ([], False),
    (["1"], False),
    (["2"], True),
    (["10%"], False),
    (["50%"], True),
    (["route"], False),
    (["route", "pool"], True),
])  # fmt: skip
def test_what_may_change_can_be_said(said: list[str], fine: bool) -> None:
    envelopes = [request("/users/1"), request("/users/2"), request("/x"), request("/y")]
    assert Allowance(said).covers(compared(envelopes)) is fine


def test_an_allowance_that_is_neither_number_nor_field_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a number"):
        Allowance(["colour"])


CHAOS = {
    "backend_pools": {
        "p": {
            "backends": ["a:80", {"address": "b:80", "weight": 2}, "c:80"],
            "algorithm": "power-of-two-choices",
            "simulate": {
                "latency": {"uniform": [0.01, 3]},
                "faults": [{"fault": "reset", "probability": 0.2}],
            },
            "ejection": {"consecutive_failures": 2, "time": 4},
            "breaker": {"failures": 3},
            "retries": {"backoff": 0.5},
            "health": {"interval": 1},
        }
    }
}


@given(gaps=st.lists(st.floats(0, 3), max_size=40), chunk=st.sampled_from([1, 3, 50]))
def test_what_a_node_on_the_wall_clock_recorded_is_answered_alike_when_it_is_replayed(
    gaps: list[float], chunk: int
) -> None:
    recorded: list[str] = []
    node = Node(config_from(CHAOS), Random(5), lambda line: None,
                record=lambda envelope: recorded.append(json.dumps(envelope)))  # fmt: skip
    out: list[bytes] = []
    wall = 0.0
    lines = []
    for number, gap in enumerate(gaps):
        body = {"type": "http_request", "path": "/p", "msg_id": number}
        lines.append(json.dumps({"src": "c", "dest": "n", "body": body}).encode() + b"\n")
        if len(lines) == chunk or number == len(gaps) - 1:
            wall += gap
            out.append(node.feed(b"".join(lines), wall))
            lines.clear()
    out.append(node.finish(wall))
    while not node.idle and (due := node.next_deadline()) is not None:
        out.append(node.advance(due + 0.001))
    answers = b"".join(out).decode().splitlines()
    assert len(answers) == len(gaps)
    comparison = Comparison()
    player = ReplayNode(config_from(CHAOS), Random(5), comparison.side(0))
    replay(Traffic(recorded), [player, RecordedAnswers(answers, comparison)])
    comparison.finish()
    assert comparison.compared == len(gaps)
    assert as_json(comparison)["changes"] == []


@pytest.mark.parametrize(("asked", "answered"), [
    ((1, 2, 2), ((2, "w2"), (1, "w1"), (2, "w1"))),
    ((2, 2, 1), ((1, "w1"), (2, "w1"), (2, "w2"))),
    ((1,), ((9, "x"), (8, "y"), (1, "w1"))),
])  # fmt: skip
def test_answers_are_known_by_who_asked_and_by_their_order(
    asked: tuple[int, ...], answered: tuple[tuple[int, str], ...]
) -> None:
    comparison = Comparison()
    player = ReplayNode(config_from(A), Random(0), comparison.side(0))
    said = [
        "not JSON",
        json.dumps({"src": "n", "dest": "c", "body": {"type": "init_ok"}}),
        *(
            json.dumps({"src": "n", "dest": "c", "body": {
                "type": "http_response", "in_reply_to": number, "status": 200, "backend": name}})
            for number, name in answered
        ),
    ]  # fmt: skip
    traffic = [
        {"src": "c", "at": 0, "body": {"type": "init"}},
        *(request("/x", msg_id=number) for number in asked),
    ]
    replay(Traffic(map(json.dumps, traffic)), [player, RecordedAnswers(said, comparison)])
    comparison.finish()
    assert (comparison.compared, comparison.changes) == (len(asked), {})


def test_answers_are_found_for_the_requests_of_a_log_too() -> None:
    log = [
        f'192.0.2.{n} - - [01/Mar/2026:12:00:00 +0000] "GET /x HTTP/1.1" 200 1 "-" "-"'
        for n in (1, 2, 1)
    ]
    comparison = Comparison()
    player = ReplayNode(config_from(A), Random(0), comparison.side(0))
    said = [
        json.dumps({"src": "n", "dest": f"192.0.2.{n}", "body": {
            "type": "http_response", "status": 200, "backend": name}})
        for n, name in ((2, "w2"), (1, "w1"), (1, "w2"))
    ]  # fmt: skip
    replay(Traffic(log), [player, RecordedAnswers(said, comparison)])
    comparison.finish()
    assert comparison.compared == 3
    assert [change["before"] for change in as_json(comparison)["changes"]] == [{"backend": "w1"}]


def test_ids_that_are_no_numbers_break_nothing() -> None:
    comparison = Comparison()
    answer = {"src": "n", "dest": "c", "body": {"type": "http_response", "in_reply_to": []}}
    answers = RecordedAnswers([json.dumps(answer)], comparison)
    answers.play({"src": "c", "body": {"type": "http_request", "msg_id": {}}}, 1)
    answers.end()
    assert answers.read == 1


def test_recording_and_replaying_with_the_command_gives_an_empty_diff(tmp_path: Path) -> None:
    config, recording, answers = (tmp_path / name for name in ("c.json", "r.jsonl", "a.jsonl"))
    pool = {"backends": ["a:80", "b:80"], "algorithm": "random",
            "simulate": {"latency": {"uniform": [0.001, 0.05]}}}  # fmt: skip
    config.write_text(json.dumps({"backend_pools": {"api": pool}}))
    said = "".join(
        json.dumps({"src": "c", "body": {"type": "http_request", "path": "/api", "msg_id": n}})
        + "\n"
        for n in range(50)
    )
    options = ["--config", str(config), "--seed", "3"]
    done = subprocess.run(
        [sys.executable, str(MAIN), *options, "--record", str(recording)],
        input=said.encode(),
        capture_output=True,
        timeout=60,
    )
    answers.write_bytes(done.stdout)
    again = run("diff", *options, "--answers", answers, recording)
    assert (again.status, again.out) == (0, "0 of 50 requests change\n")
    other = run("diff", "--config", config, "--seed", "4", "--answers", answers, recording)
    assert other.status == 1


def test_where_nothing_was_compared_nothing_is_fine(tmp_path: Path) -> None:
    traffic, answers = tmp_path / "traffic.jsonl", tmp_path / "answers.jsonl"
    config = ROOT / "config" / "backends.json"
    nothing = f"l7proxy: {traffic}: there is no request in it, so nothing was compared\n"
    for text in ("", "garbage\n", '{"src": "c", "body": {"type": "http_request"}}\n'):
        traffic.write_text(text)
        done = run("diff", "--against", config, "--format", "envelopes", traffic)
        assert (done.status, done.out) == (2, "")
        assert done.err.endswith(nothing)
    traffic.write_text(json.dumps(request("/api", msg_id=1)) + "\n")
    for text in ("", "garbage\n", traffic.read_text()):
        answers.write_text(text)
        done = run("diff", "--answers", answers, traffic, "--allow", "100%")
        assert (done.status, done.out) == (2, "")
        assert done.err == f"l7proxy: {answers}: there is no answer of a node in it\n"


def test_the_command_s_exit_status_says_whether_anything_changes(tmp_path: Path) -> None:
    one, two = tmp_path / "a.json", tmp_path / "b.json"
    one.write_text(json.dumps(A))
    two.write_text(json.dumps(B))
    log = ROOT / "examples" / "access.log"
    assert run("diff", "--config", one, "--against", one, log).status == 0
    assert run("diff", "--config", one, "--against", two, log).status == 0
    done = run("diff", "--config", one, "--against", ROOT / "config/backends.json", log, "--json")
    assert done.status == 1
    assert json.loads(done.out)["changed"] == 300
    allowed = ("--allow", "100%")
    assert run("diff", "--config", one, "--against", ROOT / "config/backends.json", log,
               *allowed).status == 0  # fmt: skip


@pytest.mark.parametrize("words", [
    ["--against", "/nowhere.json"],
    ["--against", "b", "--answers", "c"],
    ["--answers", "/nowhere.jsonl"],
    ["--against", "b", "--allow", "colour"],
    [],
])  # fmt: skip
def test_what_can_not_be_compared_is_said_with_exit_status_2(words: list[str]) -> None:
    assert run("diff", *words, ROOT / "examples" / "access.log").status == 2
