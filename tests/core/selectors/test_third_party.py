"""What a selector of somebody else's does wrong costs the request that it is asked about."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.core.selectors.third_party import Hostile
from tests.node.conversation import Conversation, one_pool
from tests.processes import ROOT, run

HOSTILE = "tests.core.selectors.third_party:Hostile"
IN_PICK = (
    "a division in pick", "an exit in pick", "an end in pick", "a value in pick", "a number",
    "another pool's", "one that is out", "recursion",
)  # fmt: skip


def pool(**more: Any) -> dict[str, Any]:
    return one_pool(**{"backends": ["a:1", "b:1"], "algorithm": HOSTILE, **more})


def talk(monkeypatch: pytest.MonkeyPatch, way: str, **more: Any) -> Conversation:
    monkeypatch.setattr(Hostile, "way", way)
    return Conversation(pool(**more), bug=lambda text: None)


def in_flight(node: Conversation) -> list[int]:
    return [backend.in_flight for backend in node.pools["p"].backends]


@pytest.mark.parametrize("way", IN_PICK)
def test_the_request_gets_code_13_and_the_next_one_its_answer(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = talk(monkeypatch, way)
    node.body(type="backend", pool="p", backend="b", set={"state": "maint"})
    bad, good = node.get("/p/bug"), node.get("/p")
    assert (bad["type"], bad["code"]) == ("error", 13)
    assert (good["status"], good["backend"]) == (200, "a")
    assert in_flight(node) == [0, 0]


@pytest.mark.parametrize("way", IN_PICK)
def test_one_that_waits_for_a_place_costs_neither_who_had_it_nor_who_is_next(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = talk(
        monkeypatch, way, simulate={"latency": 1},
        backends=[{"address": "a:1", "max_connections": 1}, {"address": "b:1", "tier": 1}],
    )  # fmt: skip
    for number, path in enumerate(("/p", "/p/bug", "/p"), 1):
        node.request(at=0, msg_id=number, path=path)
    replies = node.request(at=5, msg_id=4)
    assert [(r["body"]["in_reply_to"], r["body"].get("status", r["body"].get("code")))
            for r in replies] == [(1, 200), (2, 13), (3, 200)]  # fmt: skip
    assert in_flight(node) == [1, 0]


@pytest.mark.parametrize("way", IN_PICK)
@pytest.mark.parametrize("backoff", [0, 1])
def test_a_retry_that_meets_it_is_answered_too(
    way: str, backoff: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = talk(monkeypatch, "", retries={"backoff": backoff}, timeouts={"attempt": 2})
    hang = {"faults": [{"fault": "hang"}]}
    assert node.request(at=0, path="/p/bug", simulate=hang) == []
    monkeypatch.setattr(Hostile, "way", way)
    node.body(type="backend", pool="p", backend="b", set={"state": "maint"})
    (reply, last) = node.request(at=100)
    assert (reply["body"]["type"], reply["body"]["code"]) == ("error", 13)
    assert last["body"]["status"] == 200
    assert in_flight(node) == [0, 0]


@pytest.mark.parametrize("where", ["opened", "closed", "observed"])
def test_a_bug_in_what_it_is_told_costs_the_request_that_it_is_told_of(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = [{"address": "a:1", "max_connections": 1}]
    node = talk(monkeypatch, f"a division in {where}", backends=one)
    assert [node.get("/p")["code"] for _ in range(3)] == [13, 13, 13]
    monkeypatch.setattr(Hostile, "way", "")
    assert node.get("/p")["status"] == 200
    assert in_flight(node) == [0]


def test_a_bug_on_a_change_of_state_costs_the_message_that_asked_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = talk(monkeypatch, "a division in left")
    changed = node.body(type="backend", msg_id=7, pool="p", backend="a", set={"state": "maint"})
    assert (changed["type"], changed["code"]) == ("error", 13)
    assert node.get("/p")["backend"] == "b"


@pytest.mark.parametrize("where", ["prepare", "joined"])
@pytest.mark.parametrize("what", ["a division", "an exit", "an end"])
def test_one_that_can_not_be_made_is_a_problem_of_the_configuration(
    what: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Conversation(allowed=[HOSTILE])
    monkeypatch.setattr(Hostile, "way", f"{what} in {where}")
    refused = node.body(type="init", msg_id=1, backends=["a:1"], algorithm=HOSTILE)
    assert refused["code"] == 12
    assert refused["text"].startswith(f'/body/algorithm: can\'t make selector "{HOSTILE}": ')
    assert node.get("/api")["status"] == 200


def test_what_it_prints_is_never_among_the_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "printing.py"
    module.write_text(
        "from tests.core.selectors.third_party import Hostile\n"
        "print('printed when imported')\n"
        "class Printing(Hostile):\n"
        "    way = 'print'\n"
    )
    config = tmp_path / "config.json"
    config.write_text('{"backends": ["a:1"], "algorithm": "printing:Printing"}')
    said = json.dumps({"src": "c", "body": {"type": "http_request", "path": "/bug"}})
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    done = run("--config", config, said=said + "\n")
    (line,) = done.out.splitlines()
    assert json.loads(line)["body"]["status"] == 200
    assert sorted(done.err.splitlines()) == [
        "printed by pick", "printed by prepare", "printed when imported", "written by pick",
    ]  # fmt: skip
