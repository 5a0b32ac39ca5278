"""The node as a process with requests in flight: every one is answered before it exits."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.commands.support import conversing, envelope, request


def config(tmp_path: Path, **pool: Any) -> Path:
    """Requests for /p take as long as the pool says, those for /quick no time."""
    file = tmp_path / "config.json"
    pools = {"p": {"backends": ["n1"], **pool}, "quick": {"backends": ["q"]}}
    file.write_text(json.dumps({"backend_pools": pools}))
    return file


@pytest.fixture
def front(tmp_path: Path) -> Path:
    """A configuration whose backend is another node."""
    file = tmp_path / "front.json"
    file.write_text('{"backend_pools": {"p": {"backends": ["b"], "upstream": "envelope"}}}')
    return file


def answered(bodies: list[Any]) -> list[tuple[int, int]]:
    """The id and status of every reply."""
    return [(body["in_reply_to"], body["status"]) for body in bodies]


def test_what_is_in_flight_when_the_input_ends_is_finished(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 0.2})) as node:
        node.say(request(1), request(2, simulate={"latency": 0.1}))
        node.stdin.close()
        assert answered(node.rest()) == [(2, 200), (1, 200)]


def test_what_takes_longer_than_the_drain_timeout_is_answered_503(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path), "--drain-timeout", "0.3") as node:
        node.say(request(1, simulate={"latency": 20}), request(2, simulate={"latency": 0.1}))
        node.stdin.close()
        assert answered(node.rest()) == [(2, 200), (1, 503)]


def test_after_a_signal_what_is_in_flight_is_finished_and_what_is_new_refused(
    tmp_path: Path,
) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 1.5})) as node:
        node.say(request(1), request(2), request(3, "/quick"))
        assert node.hear_body()["in_reply_to"] == 3
        answers = dict(answered([*node.interrupt(), *node.rest()]))
        assert (answers[1], answers[2]) == (200, 200)


def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 50})) as node:
        node.say(request(1), request(2, "/quick"))
        assert node.hear_body()["in_reply_to"] == 2
        node.interrupt()
        node.signal(signal.SIGTERM)
        assert answered(node.rest()) == [(1, 503)]


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_answers_at_once_what_other_nodes_were_asked(
    front: Path, first: int
) -> None:
    with conversing("--config", front) as node:
        node.say(request(1))
        assert node.hear_body()["type"] == "http_request"
        node.interrupt(first, "/p")
        node.signal(signal.SIGTERM)
        assert node.hear_body()["status"] == 503
        assert node.ends() == (0, b"")


def test_after_a_signal_the_answers_of_other_nodes_are_still_heard(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, upstream="envelope")) as node:
        node.say(request(1))
        asked = node.hear()
        assert (asked["src"], asked["dest"]) == ("lb", "n1")
        node.interrupt()
        number = asked["body"]["msg_id"]
        node.say(envelope("n1", type="http_response", in_reply_to=number, status=201))
        assert answered(node.rest()) == [(1, 201)]


def test_after_a_signal_all_that_other_nodes_were_asked_is_heard_and_new_requests_get_503(
    front: Path,
) -> None:
    with conversing("--config", front) as node:
        node.say(request(1))
        asked = [node.hear_body()]
        *asked_again, refused = node.interrupt(path="/p")
        assert refused["status"] == 503
        asked += asked_again
        for body in asked:
            node.say(envelope("b", type="http_response", in_reply_to=body["msg_id"], status=204))
        assert [body["status"] for body in node.rest()] == [204 for _ in asked]


def test_after_a_signal_the_end_of_input_answers_what_only_input_could(front: Path) -> None:
    with conversing("--config", front) as node:
        node.say(request(1))
        node.hear()
        node.interrupt(path="/p")
        node.stdin.close()
        assert node.hear_body()["status"] == 503
        assert node.ends() == (0, b"")


def test_at_the_end_of_input_what_only_input_could_answer_is_answered_at_once(front: Path) -> None:
    with conversing("--config", front, "--drain-timeout", "1000") as node:
        node.say(request(1))
        assert node.hear_body()["type"] == "http_request"
        node.stdin.close()
        assert answered(node.rest()) == [(1, 503)]


def test_in_virtual_time_a_signal_lets_everything_happen_at_once() -> None:
    def asked(number: int, **more: Any) -> bytes:
        return envelope("c", at=0, type="http_request", msg_id=number, path="/api", **more)

    with conversing() as node:
        node.say(asked(1, simulate={"latency": 50}), asked(2, simulate={"latency": 1000}), asked(3))
        assert node.hear_body()["in_reply_to"] == 3
        node.signal(signal.SIGTERM)
        assert [node.hear_body()["status"] for _ in range(2)] == [200, 504]
        assert node.ends() == (0, b"")


def test_it_ends_quietly_when_the_receiving_side_is_killed(tmp_path: Path) -> None:
    with conversing("--config", config(tmp_path, simulate={"latency": 0.2})) as node:
        node.say(request(1))
        node.stdout.close()
        assert node.ends() == (0, b"")


def test_five_thousand_in_flight_are_all_answered(tmp_path: Path) -> None:
    latency = {"uniform": [0.5, 0.7]}
    with conversing("--config", config(tmp_path, simulate={"latency": latency})) as node:

        def speak() -> None:
            node.say(*map(request, range(5000)))
            node.stdin.close()

        # It may stop listening until it is heard.
        speaker = Thread(target=speak)
        speaker.start()
        assert Counter(answered(node.rest())) == {(number, 200): 1 for number in range(5000)}
        speaker.join()
