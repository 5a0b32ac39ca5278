"""Nodes for tools: what the replay node decides, and what the recording node shows."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from l7proxy.core import Headers, HttpRequest
from l7proxy.core.config import Config, config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.proxy import Proxy
from l7proxy.node.replay_node import RecordingNode, ReplayNode
from tests.node.conversation import envelopes

Played = tuple[int, int, float]
"""The number that a request was played under, its status, and when it ended."""


def config(upstream: str, **pool: Any) -> Config:
    pools = {"p": {"backends": ["b"], "upstream": upstream, **pool}}
    return config_from({"backend_pools": pools})


def envelope(src: str, at: float, **body: Any) -> dict[str, Any]:
    return {"src": src, "dest": "lb", "at": at, "body": body}


def request(at: float, msg_id: int) -> dict[str, Any]:
    return envelope("c", at, type="http_request", msg_id=msg_id, path="/p")


def answer(at: float, in_reply_to: int, status: int) -> dict[str, Any]:
    return envelope("b", at, type="http_response", in_reply_to=in_reply_to, status=status)


class Stage:
    """A replay node, and what it told of the requests that ended."""

    def __init__(self, config: Config, **options: Any) -> None:
        self.ended: list[Played] = []
        self.player = ReplayNode(config, Random(0), self._ended, **options)

    def _ended(self, number: int, exchange: Exchange, now: float) -> None:
        assert exchange.response is not None
        self.ended.append((number, exchange.response.status, now))

    def play(self, *envelopes: dict[str, Any]) -> list[Played]:
        for number, one in enumerate(envelopes, 1):
            self.player.play(one, number)
        self.player.end()
        return self.ended


def test_what_other_nodes_answered_is_taken_from_the_traffic() -> None:
    stage = Stage(config("envelope", timeouts={"attempt": 5}, retries={"attempts": 1}))
    assert stage.play(
        request(0, 7), request(1, 8), request(1, 9), answer(2, 2, 201), answer(3, 1, 202)
    ) == [(2, 201, 2), (1, 202, 3), (3, 504, 6)]


def test_nothing_is_said_that_nobody_would_hear(capfd: pytest.CaptureFixture[str]) -> None:
    stage = Stage(config("envelope", health={"interval": 1}))
    for at in range(50):
        stage.player.play(request(at, at), at)
    assert {status for _, status, _ in stage.ended} == {503}
    assert stage.player.refused == 0
    assert capfd.readouterr() == ("", "")


def test_other_nodes_are_simulated_where_that_is_wanted() -> None:
    stage = Stage(config("envelope", simulate={"status": 204, "latency": 0.5}), simulated=True)
    assert stage.play(request(0, 1), answer(0.1, 1, 500)) == [(1, 204, 0.5)]


def test_real_backends_are_always_simulated() -> None:
    assert Stage(config("http", simulate={"status": 204})).play(request(0, 1)) == [(1, 204, 0)]


def test_a_request_is_decided_without_a_message_around_it() -> None:
    stage = Stage(config("simulated", simulate={"latency": 2}))
    asked = HttpRequest("GET", "/p", Headers(()), client_ip="c")
    stage.player.play_request(asked, 1.0, 7)
    assert stage.ended == []
    stage.player.play_request(asked, 4.0, 8)
    assert stage.ended == [(7, 200, 3)]
    stage.player.end()
    assert stage.ended[1:] == [(8, 200, 6)]


@pytest.mark.parametrize(("body", "refused"), [
    ({"type": "http_request"}, 1),
    ({"type": "http_request", "path": "/p", "explain": "yes"}, 1),
    ({"type": "gossip"}, 1),
    ({"type": "init", "backends": 5}, 1),
    ({"type": "init", "node_id": "lb"}, 0),
    ({"type": "status"}, 0),
    ({"type": "status", "pool": "none"}, 1),
    ({"type": "gossip_ok", "in_reply_to": 1}, 0),
    ({"type": "http_response", "msg_id": "x"}, 0),
])  # fmt: skip
def test_messages_that_are_not_valid_are_counted_but_no_answers(
    body: dict[str, Any], refused: int
) -> None:
    stage = Stage(config("simulated"))
    assert stage.play(envelope("c", 1, **body)) == []
    assert stage.player.refused == refused


def test_a_request_that_meets_a_bug_is_refused() -> None:
    selector = "tests.node.misbehaving:BuggySelector"
    stage = Stage(config("simulated", algorithm=selector))
    bug = envelope("c", 0, type="http_request", path="/p/bug")
    assert stage.play(bug, request(1, 2)) == [(2, 200, 1)]
    assert stage.player.refused == 1


def test_an_init_brings_its_configuration_unless_it_is_ignored() -> None:
    init = envelope("c", 0, type="init", node_id="lb", backends=["a:1"], simulate={"status": 201})
    proxies = list[Proxy]()
    assert Stage(config("simulated"), on_configured=proxies.append).play(init, request(1, 1)) == [
        (2, 201, 1),
    ]  # fmt: skip
    assert [list(proxy.pools) for proxy in proxies] == [["p"], ["default"]]
    stage = Stage(config("simulated"), ignore_init=True)
    assert stage.play(init, request(1, 1)) == [(2, 200, 1)]
    assert (stage.player.name, stage.player.refused) == ("lb", 0)


class Audience:
    """A recording node's replies, and the exchanges that it showed."""

    def __init__(self, config: Config) -> None:
        self.seen: list[Exchange] = []
        self.node = RecordingNode(config, Random(0), print, self.seen.append)

    def say(self, envelope: dict[str, Any]) -> list[Any]:
        out = self.node.feed(json.dumps(envelope).encode() + b"\n", 0.0)
        return [reply["body"] for reply in envelopes(out)]


def test_a_recording_node_asks_other_nodes_and_shows_what_it_answers() -> None:
    audience = Audience(config("envelope"))
    (asked,) = audience.say(request(0, 7))
    assert (asked["type"], asked["msg_id"]) == ("http_request", 1)
    assert audience.seen == []
    (reply,) = audience.say(answer(1, 1, 203))
    assert (reply["in_reply_to"], reply["status"]) == (7, 203)
    (exchange,) = audience.seen
    assert exchange.backend is not None


def test_a_recording_node_simulates_real_backends() -> None:
    audience = Audience(config("http", simulate={"status": 204}))
    (reply,) = audience.say(request(0, 7))
    assert (reply["in_reply_to"], reply["status"], len(audience.seen)) == (7, 204, 1)


def test_a_recording_node_is_told_the_time() -> None:
    audience = Audience(config("simulated", simulate={"latency": 2}))
    assert audience.say(request(0, 7)) == []
    (reply,) = envelopes(audience.node.go_to(3))
    assert (reply["at"], reply["body"]["in_reply_to"]) == (2, 7)
    with pytest.raises(ValueError, match="time can't run backwards: 1 comes after 3"):
        audience.node.go_to(1)
