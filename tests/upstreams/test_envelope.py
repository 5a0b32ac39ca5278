"""Other nodes as backends: what is asked, and which answers count."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import Exchange, Headers, HttpRequest, Proxy, config_from
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.envelope import EnvelopeUpstream


class Network:
    """A pool of the nodes n1 and n2; `asked` has what was sent to whom."""

    def __init__(self, *, routes: list[dict[str, Any]] | None = None, **pool: Any) -> None:
        pool = {"backends": ["n1", "n2"], "upstream": "envelope", **pool}
        config: dict[str, Any] = {"backend_pools": {"p": pool}}
        if routes is not None:
            config["routes"] = routes
        self.proxy = Proxy(config_from(config), Random(0))
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.nodes = EnvelopeUpstream(lambda dest, body, exchange: self.asked.append((dest, body)))
        self.dispatcher = Dispatcher(self.proxy, {"p": self.nodes}, self._ended, self._crashed)
        self.ended: list[Exchange] = []

    def _ended(self, exchange: Exchange, now: float) -> None:
        self.ended.append(exchange)

    @staticmethod
    def _crashed(exchange: Exchange, error: Exception, now: float) -> None:
        raise error

    def ask(self, method: str = "GET", path: str = "/p", **more: Any) -> Exchange:
        return self.dispatcher.open(HttpRequest(method, path, **more), None, 0.0)

    def reply(self, src: str, **body: Any) -> None:
        self.nodes.receive(src, {"type": "http_response", **body}, 0.0)


def outcome(exchange: Exchange) -> tuple[int | None, str | None]:
    response, local_reply = exchange.response, exchange.local_reply
    return (
        None if response is None else response.status,
        None if local_reply is None else local_reply.name,
    )


def test_a_request_is_forwarded_whole() -> None:
    network = Network()
    network.ask(
        "POST", "/p/x?q=1", headers=Headers([("A", "1"), ("A", "2")]), client_ip="c9", body=b"\xff"
    )
    assert network.asked == [
        (
            "n1",
            {
                "type": "http_request",
                "msg_id": 1,
                "method": "POST",
                "path": "/p/x?q=1",
                "headers": {"A": ["1", "2"]},
                "client_ip": "c9",
                "body": "/w==",
                "body_encoding": "base64",
            },
        )
    ]


def test_the_answer_is_known_by_its_id_and_by_who_was_asked() -> None:
    network = Network()
    first, second = network.ask(), network.ask()
    network.reply("n2", in_reply_to=1, status=200)
    network.reply("n2", in_reply_to=2, status=202, headers={"B": "1"}, body="done")
    network.reply("n2", in_reply_to=2, status=500)
    network.reply("n2", in_reply_to="2", status=500)
    network.reply("n2", status=500)
    assert (network.ended, outcome(second), network.nodes.dropped) == ([second], (202, None), 4)
    network.reply("n1", in_reply_to=1, status=200)
    assert outcome(first) == (200, None)


@pytest.mark.parametrize("nonsense", [
    {}, {"status": "200"}, {"status": True}, {"status": 99}, {"status": 600},
    {"status": 200, "headers": [1]}, {"status": 200, "headers": {"A": 1}},
    {"status": 200, "body": 5}, {"status": 200, "body": "!", "body_encoding": "base64"},
    {"status": 200, "headers": {"A": "1\r\nB: 2"}},
])  # fmt: skip
def test_an_answer_that_makes_no_sense_is_a_502(nonsense: dict[str, Any]) -> None:
    network = Network()
    exchange = network.ask("POST")
    network.reply("n1", in_reply_to=1, **nonsense)
    assert outcome(exchange) == (502, "garbage")


def test_not_now_is_tried_elsewhere_whatever_the_method() -> None:
    network = Network()
    network.ask("POST")
    network.reply("n1", type="error", in_reply_to=1, code=11, text="busy")
    assert [dest for dest, _ in network.asked] == ["n1", "n2"]


def test_any_other_error_is_a_502_with_its_text() -> None:
    network = Network()
    exchange = network.ask("POST")
    network.reply("n1", type="error", in_reply_to=1, code=13)
    assert outcome(exchange) == (502, "upstream_error")
    assert exchange.local_reply is not None and exchange.local_reply.text.endswith("no text")


def test_what_comes_after_its_time_is_dropped() -> None:
    network = Network(timeouts={"attempt": 1}, retries={"attempts": 1})
    exchange = network.ask()
    network.dispatcher.run_until(1.0)
    assert outcome(exchange) == (504, "timed_out")
    network.reply("n1", in_reply_to=1, status=200)
    assert (len(network.ended), network.nodes.dropped) == (1, 1)


def test_checks_are_requests_of_our_own() -> None:
    checks = {"interval": 1, "timeout": 0.5, "jitter": 0, "fall": 1, "path": "/up"}
    network = Network(backends=["n1"], health=checks)
    network.proxy.start(0.0)
    bodies: list[dict[str, Any]] = [{"status": 200}, {"type": "error", "code": 11}, {"status": "?"}]
    states = []
    for second, body in enumerate(bodies):
        network.dispatcher.run_until(float(second))
        dest, asked = network.asked[-1]
        assert (dest, asked["method"], asked["path"]) == ("n1", "GET", "/up")
        network.reply("n1", in_reply_to=asked["msg_id"], **body)
        states.append(",".join(network.proxy.pools["p"].backends[0].why_not()))
    assert states == ["", "down", "down"]
    network.dispatcher.run_until(3.9)
    network.reply("n1", in_reply_to=network.asked[-1][1]["msg_id"], status=200)
    assert network.nodes.dropped == 1


def test_cookies_go_with_the_cookie_field_that_a_route_removes() -> None:
    for edits, passed in (({"remove": ["cookie"]}, None), ({"remove": ["x"]}, {"a": "b"})):
        route = {"path_pattern": "/*", "backend_pool": "p", "request_headers": edits}
        network = Network(routes=[route])
        network.ask(cookies={"a": "b"})
        ((_, body),) = network.asked
        assert body.get("cookies") == passed
