"""The traffic that is measured is what it says it is, and no benchmark has gone to rot."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import islice
from typing import Any

import h11
import pytest

from benchmarks.http import mix_script
from benchmarks.node import PROGRAMS
from benchmarks.traffic import (
    ADVERSARIAL,
    CLIENTS,
    ID,
    MAELSTROM_ORDER,
    ORDERS,
    PATH_FIRST,
    REQUEST_ID,
    SEED_ORDER,
    SESSION,
    TRAFFIC,
    http_template,
    lines,
    logged,
    requests,
)
from l7proxy.tools.formats.format import Details
from l7proxy.tools.formats.registry import LOGS
from tests.processes import PATIENCE, ROOT, run, unmeasured

MANY = 10_000
SOME = 1_000
SCRIPTS = sorted(
    file.name
    for file in (ROOT / "benchmarks").glob("*.py")
    if '__name__ == "__main__"' in file.read_text()
)
KEYS = {
    SEED_ORDER: ("src dest body", "type msg_id method path headers"),
    MAELSTROM_ORDER: ("dest src body id", "type method path headers msg_id"),
    PATH_FIRST: ("src dest body", "type path method headers msg_id"),
}
"""The keys of an envelope and of its body, where the request has none, by order."""


@cache
def some_of(name: str) -> tuple[bytes, ...]:
    return tuple(lines(name, SOME))


def decoded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in some_of(name)]


def order_of(envelope: dict[str, Any]) -> tuple[str, str]:
    return " ".join(envelope), " ".join(key for key in envelope["body"] if key != "body")


@pytest.mark.parametrize("name", TRAFFIC)
def test_the_same_seed_gives_the_same_bytes_and_a_longer_run_begins_with_the_shorter(
    name: str,
) -> None:
    assert tuple(lines(name, SOME)) == some_of(name)
    assert tuple(lines(name, 50)) == some_of(name)[:50]
    assert tuple(lines(name, 50, seed=2)) != some_of(name)[:50]


def test_honest_traffic_has_the_shares_that_it_claims() -> None:
    sent = list(lines("honest", MANY))
    envelopes = [json.loads(line) for line in sent]
    bodies = [envelope["body"] for envelope in envelopes]

    def share(count: int) -> float:
        return count / MANY

    assert [body["msg_id"] for body in bodies] == list(range(1, MANY + 1))
    assert share(sum(body["method"] == "POST" for body in bodies)) == pytest.approx(0.05, abs=0.01)
    assert [body["method"] == "POST" for body in bodies] == ["body" in body for body in bodies]
    unrouted = sum(re.match("/(api|static)/", body["path"]) is None for body in bodies)
    assert share(unrouted) == pytest.approx(0.02, abs=0.005)
    assert share(sum(b'"src":"' in line for line in sent)) == pytest.approx(0.5, abs=0.02)
    orders = Counter(map(order_of, envelopes))
    for order in ORDERS:
        assert share(orders.pop(KEYS[order])) == pytest.approx(1 / 3, abs=0.02)
    assert not orders
    heads = [body["headers"] for body in bodies]
    assert len({head["X-Request-Id"] for head in heads}) == MANY
    assert len({head["Cookie"] for head in heads}) == MANY
    colons = sum(any(":" in value for value in head.values()) for head in heads)
    assert share(colons) == pytest.approx(0.5, abs=0.1)


def test_honest_clients_follow_zipfs_law() -> None:
    counted = Counter(request.client for request in islice(requests(), MANY))
    first, second, third = (count for _, count in counted.most_common(3))
    assert counted.keys() <= {f"c{number}" for number in range(CLIENTS)}
    assert first / second == pytest.approx(2, abs=0.3)
    assert first / third == pytest.approx(3, abs=0.5)
    assert len(counted) > CLIENTS / 5


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_lines_are_as_long_as_the_honest_ones(name: str) -> None:
    assert list(map(len, some_of(name))) == list(map(len, some_of("honest")))


def test_adversarial_traffic_is_what_its_name_says() -> None:
    assert len({envelope["src"] for envelope in decoded("honest")}) < 0.6 * SOME
    assert len({envelope["src"] for envelope in decoded("100,000 clients")}) > 0.98 * SOME
    assert len({envelope["src"] for envelope in decoded("new clients")}) == SOME
    assert {order_of(e) for e in decoded("maelstrom")} == {KEYS[MAELSTROM_ORDER]}
    heads = [envelope["body"]["headers"] for envelope in decoded("new heads")]
    assert len({tuple(head) for head in heads}) == SOME
    assert len({len(head) for head in heads}) > 5
    escaped = sum(b"\\u" in line for line in some_of("escapes"))
    raw = sum(not line.isascii() for line in some_of("escapes"))
    assert escaped + raw == SOME
    assert min(escaped, raw) > 0.45 * SOME


def test_the_repeated_line_is_an_honest_one_of_average_length_in_which_only_the_id_differs() -> (
    None
):
    without_id = {re.sub(rb'"msg_id": \d+', b"", line) for line in some_of("repeated")}
    assert len(without_id) == 1
    length, honest = (sum(map(len, some_of(name))) / SOME for name in ("repeated", "honest"))
    assert length == pytest.approx(honest, rel=0.02)


def test_plain_traffic_is_what_a_quick_look_has() -> None:
    for envelope in decoded("plain"):
        assert order_of(envelope) == KEYS[SEED_ORDER]
        assert set(envelope["body"]["headers"]) == {"Host", "X-Request-Id", "Cookie", "Accept"}


@pytest.mark.parametrize("name", TRAFFIC)
def test_the_node_answers_every_line(name: str) -> None:
    done = run(said=b"".join(some_of(name)))
    assert (done.status, done.err) == (0, "")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [(a["dest"], a["body"]["in_reply_to"]) for a in answers] == [
        (envelope["src"], envelope["body"]["msg_id"]) for envelope in decoded(name)
    ]
    refused = [
        answer["body"]["in_reply_to"] for answer in answers if answer["body"]["status"] == 404
    ]
    unrouted = [
        envelope["body"]["msg_id"]
        for envelope in decoded(name)
        if re.match("/(api|static)/", envelope["body"]["path"]) is None
    ]
    assert refused == unrouted
    assert {answer["body"]["status"] for answer in answers} <= {200, 404}


@pytest.mark.parametrize("name", TRAFFIC)
@pytest.mark.parametrize("program", [name for name in PROGRAMS if not name.endswith("node")])
def test_what_the_node_is_compared_with_answers_every_line_too(program: str, name: str) -> None:
    done = subprocess.run(
        PROGRAMS[program],
        input=b"".join(some_of(name)),
        capture_output=True,
        env=unmeasured(),
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [
        {
            "src": envelope["dest"],
            "dest": envelope["src"],
            "body": {
                "type": "http_response",
                "in_reply_to": envelope["body"]["msg_id"],
                "status": 200,
                "backend": f"api-{number % 3 + 1}",
            },
        }
        for number, envelope in enumerate(decoded(name))
    ]


def test_the_same_requests_are_good_http() -> None:
    for request in islice(requests(), SOME):
        template = http_template(request).decode()
        marks = [mark for mark in template if mark in (ID, REQUEST_ID, SESSION)]
        assert marks == [ID, REQUEST_ID, SESSION]
        server = h11.Connection(h11.SERVER)
        server.receive_data(
            template.replace(ID, "7").replace(REQUEST_ID, "r").replace(SESSION, "s").encode()
        )
        head = server.next_event()
        assert isinstance(head, h11.Request)
        assert head.method.decode() == request.method
        assert head.target.decode() == request.place.replace("{}", "7")
        body = b""
        while isinstance(event := server.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        assert body.decode() == (request.body or "")


def test_wrk_gets_the_mix_as_a_program_with_nothing_of_its_own() -> None:
    script = mix_script()
    assert script == mix_script() != mix_script(seed=2)
    assert script.count("%016x%016x") == 2 * script.count(" HTTP/1.1")
    assert script.isascii() and "\r" not in script


def test_the_log_is_of_the_same_requests() -> None:
    read = LOGS["combined"](Details())
    entries = list(islice(logged(), SOME))
    heard = [read(entry.line()) for entry in entries]
    sent = list(islice(requests(), SOME))
    assert [(r.method, r.target) for _, r in heard] == [(r.method, r.path) for r in sent]
    times = [time - heard[0][0] for time, _ in heard]
    assert times == sorted(times) == [entry.second for entry in entries]
    assert times[-1] == pytest.approx(SOME / 500, abs=1)
    for entry, (_, request) in zip(entries, heard, strict=True):
        envelope = json.loads(entry.envelope(1))
        assert envelope["src"] == request.client_ip
        assert envelope["body"]["path"] == request.target
        assert envelope["body"]["headers"] == dict(request.headers)
    clients = {
        (request.client_ip, one.client) for (_, request), one in zip(heard, sent, strict=True)
    }
    assert len(clients) == len({ip for ip, _ in clients}) == len({name for _, name in clients})


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_runs(script: str) -> None:
    if script == "http.py" and not all(map(shutil.which, ("nginx", "wrk", "taskset"))):
        pytest.skip("needs nginx, wrk and taskset")
    words = ["--lines", "3"] if script == "traffic.py" else ["--quick"]
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / "benchmarks" / script), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=unmeasured(),
        timeout=4 * PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert "WRONG" not in done.stdout


def test_the_list_of_scripts_has_all_of_them() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text()
    listed = re.findall(r"^\| `(\w+\.py)` \|", page, re.MULTILINE)
    assert sorted(listed) == SCRIPTS
