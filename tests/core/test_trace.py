"""Why a request went where it went, as the reply to `"explain": true` says."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import config_from
from l7proxy.core.config.algorithms import BUILT_IN
from l7proxy.core.flags import FLAG_NAMES
from l7proxy.core.http.local_reply import RESET
from l7proxy.core.http.messages import HttpRequest
from l7proxy.core.proxy import Proxy
from l7proxy.core.trace import REASONS, Traced
from l7proxy.node import Node


class Talk:
    """A node with one pool for everything, in virtual time."""

    def __init__(self, *backends: Any, explain: bool = False, **config: Any) -> None:
        routes = config.pop("routes", [{"path_pattern": "/*", "backend_pool": "p"}])
        top = {key: config.pop(key) for key in ("rate_limits",) if key in config}
        pool = {"backends": list(backends), **config}
        made = config_from({"backend_pools": {"p": pool}, "routes": routes, **top})
        self.node = Node(made, Random(0), print, explain=explain)
        self.replies: list[dict[str, Any]] = []

    def send(self, at: float, **body: Any) -> None:
        envelope = {"src": "c", "dest": "n", "at": at, "body": body}
        self._take(self.node.feed(json.dumps(envelope).encode() + b"\n", 0.0))

    def get(self, at: float = 0, path: str = "/", **body: Any) -> None:
        self.send(at, type="http_request", path=path, explain=True, **body)

    def end(self) -> list[dict[str, Any]]:
        self._take(self.node.finish(0.0))
        return self.replies

    def decision(self) -> Any:
        return self.end()[-1]["decision"]

    def _take(self, out: bytes) -> None:
        self.replies += [json.loads(line)["body"] for line in out.splitlines()]


def opened(method: str, *backends: str) -> Traced:
    """An exchange whose first attempt is under way."""
    proxy = Proxy(config_from({"backends": list(backends)}), Random(0))
    exchange = proxy.open(HttpRequest(method, "/"), 0.0, kind=Traced)
    assert isinstance(exchange, Traced)
    return exchange


def slow(name: str, seconds: float = 1, **more: Any) -> dict[str, Any]:
    return {"address": f"{name}:80", "simulate": {"latency": seconds, **more}}


def test_an_explained_request_shows_the_route_the_pool_and_the_weights_it_was_picked_by() -> None:
    talk = Talk({"address": "a:80", "weight": 2}, "b:80")
    talk.get()
    decision = talk.decision()
    assert list(talk.replies[0]) == ["type", "status", "backend", "decision"]
    assert decision.pop("route")["pattern"] == "/*"
    assert decision == {
        "pool": "p",
        "algorithm": "round-robin",
        "rule": (
            "the largest current weight after each has grown by its weight; the first of equals"
        ),
        "attempts": [
            {
                "at": 0,
                "backends": {
                    "a": {"state": "up", "weight": 2, "in_flight": 0, "eligible": True},
                    "b": {"state": "up", "weight": 1, "in_flight": 0, "eligible": True},
                },
                "selector": {"current_weights": {"a": 0, "b": 0}},
                "picked": "a",
                "outcome": "status 200",
                "seconds": 0,
            }
        ],
        "waited": 0,
    }


def test_nothing_is_explained_unless_it_is_asked_for() -> None:
    talk = Talk("a:80")
    talk.send(0, type="http_request", path="/")
    talk.send(0, type="http_request", path="/", explain=False)
    assert not any("decision" in reply for reply in talk.end())


def test_a_node_may_explain_everything() -> None:
    talk = Talk("a:80", explain=True)
    talk.send(0, type="http_request", path="/")
    assert talk.decision()["pool"] == "p"


def test_explain_must_be_true_or_false() -> None:
    talk = Talk("a:80")
    talk.send(0, type="http_request", path="/", explain="yes")
    assert talk.end()[0]["text"] == "/body/explain: must be true or false, not a string"


def test_what_has_no_route_or_is_no_good_request_says_so() -> None:
    talk = Talk("a:80", routes=[{"path_pattern": "/a/*", "backend_pool": "p"}])
    talk.get(path="/b")
    talk.get(path="b")
    local_replies = [reply["decision"]["verdict"] for reply in talk.end()]
    assert local_replies == ["no_route", "bad_request"]


@pytest.mark.parametrize("asked", [{"host": "a.example"}, {}])
def test_a_host_that_is_none_is_refused_before_any_route_is_asked(asked: dict[str, Any]) -> None:
    talk = Talk("a:80", routes=[{**asked, "path": "/", "backend_pool": "p"}])
    talk.get(headers={"Host": "a b"})
    decision = talk.decision()
    assert decision["verdict"] == "bad_request"
    assert decision["route"]["refused"].startswith("bad request")
    assert "name" not in decision["route"]


def test_a_route_that_answers_by_itself_shows_its_limits_and_no_pool() -> None:
    limit = {"requests_per_second": 1, "burst": 1}
    talk = Talk("a:80", routes=[{"path": "/", "respond": {"status": 204}, "rate_limit": limit}])
    talk.get()
    talk.get()
    first, second = [reply["decision"] for reply in talk.end()]
    assert [found["limits"][0]["remaining"] for found in (first, second)] == [0, 0]
    assert "pool" not in first
    assert second["verdict"] == "rate_limited"


def test_a_rewritten_path_is_shown() -> None:
    rewrite = {"strip_prefix": "/a"}
    talk = Talk("a:80", routes=[{"path_pattern": "/a/*", "backend_pool": "p", "rewrite": rewrite}])
    talk.get(path="/a/b")
    assert talk.decision()["route"]["rewritten_path"] == "/b"


def test_who_can_not_be_picked_is_shown_with_the_reason() -> None:
    assert set(REASONS) == set(FLAG_NAMES.values())
    talk = Talk("a:80", "b:80", {"address": "c:80", "tier": 1})
    talk.send(0, type="backend", pool="p", backend="a", set={"state": "drain"})
    talk.get()
    looks = talk.decision()["attempts"][0]["backends"]
    assert looks["a"]["state"] == "drain"
    assert looks["a"]["because"] == "it is draining"
    assert "because" not in looks["b"]
    assert looks["c"]["because"] == "tier 1 is not in use"


def test_a_pool_in_panic_does_not_listen_to_health() -> None:
    talk = Talk("a:80", panic_threshold=1)
    talk.send(0, type="backend", pool="p", backend="a", set={"state": "down"})
    talk.get()
    assert talk.decision()["attempts"][0]["backends"]["a"] == {
        "state": "down",
        "weight": 1,
        "in_flight": 0,
        "eligible": True,
        "because": "the pool is in panic: health is not listened to",
    }


def test_attempts_follow_one_another_and_the_last_says_why_there_was_no_other() -> None:
    refusing = {"faults": [{"fault": "refuse"}]}
    talk = Talk("a:80", "b:80", simulate=refusing, retries={"attempts": 2})
    talk.get()
    first, second = talk.decision()["attempts"]
    assert (first["picked"], second["picked"]) == ("a", "b")
    assert first["outcome"] == "the backend refused the connection"
    assert second["backends"]["a"]["because"] == "this request was tried on it before"
    assert "no_retry" not in first
    assert second["no_retry"] == "no attempts are left"


@pytest.mark.parametrize(("method", "retries", "why"), [
    ("POST", {}, "the method is not idempotent"),
    ("GET", {"budget_min": 0, "budget": 0}, "the retry budget is used up"),
    ("GET", {}, "no other backend could be used in time"),
])  # fmt: skip
def test_why_a_failure_was_not_tried_again(method: str, retries: Any, why: str) -> None:
    talk = Talk("a:80", simulate={"faults": [{"fault": "reset"}]}, retries=retries)
    talk.get(method=method)
    assert talk.decision()["attempts"][-1]["no_retry"] == why


def test_why_a_bad_status_was_passed_on() -> None:
    talk = Talk("a:80", simulate={"status": 503}, retries={"retry_on": [503]})
    talk.get()
    (attempt,) = talk.decision()["attempts"]
    assert attempt["no_retry"] == "no other backend could be used in time"


def test_a_request_whose_body_has_passed_is_not_repeated() -> None:
    exchange = opened("PUT", "a:80", "b:80")
    exchange.repeatable = False
    exchange.failed(RESET, 1.0)
    assert exchange.decision["attempts"][0]["no_retry"] == "its body has passed and was not kept"
    assert not exchange.responded(200, 2.0)
    exchange.failed(RESET, 2.0)
    assert exchange.decision["attempts"][0]["seconds"] == 1


def test_the_time_spent_waiting_for_a_place_is_shown() -> None:
    talk = Talk({**slow("a", 2), "max_connections": 1})
    talk.get(0)
    talk.get(0.5)
    decision = talk.decision()
    assert decision["waited"] == 1.5
    assert decision["waits"] == [
        {"for": "every backend that could be used is full", "seconds": 1.5}
    ]
    assert decision["attempts"][0]["at"] == 2


def test_so_is_a_wait_in_vain() -> None:
    talk = Talk({**slow("a", 20), "max_connections": 1}, queue={"timeout": 1})
    talk.get(0)
    talk.get(0)
    decision = talk.end()[0]["decision"]
    assert decision["attempts"] == []
    assert decision["waited"] == 1
    assert decision["verdict"] == "no_backend"


def test_so_is_the_time_before_another_attempt() -> None:
    talk = Talk("a:80", simulate={"faults": [{"to": 0.001, "fault": "reset"}]},
                retries={"backoff": 5})  # fmt: skip
    talk.get()
    decision = talk.decision()
    assert [wait["for"] for wait in decision["waits"]] == ["the time before another attempt"]
    assert decision["waited"] == decision["waits"][0]["seconds"] > 0
    assert decision["attempts"][1]["outcome"] == "status 200"


def test_a_pool_with_nobody_to_use_shows_everyone_and_why() -> None:
    talk = Talk("a:80")
    talk.send(0, type="backend", pool="p", backend="a", set={"state": "maint"})
    talk.get()
    (wait,) = talk.decision()["waits"]
    assert wait["for"] == "no backend could be used"
    assert wait["backends"]["a"]["because"] == "it is in maintenance"


def test_an_attempt_that_was_given_up_is_one_without_an_answer() -> None:
    exchange = opened("GET", "a:80")
    exchange.cancelled(2.0)
    assert exchange.decision["attempts"][0]["outcome"] == "given up"


def test_limits_are_shown_with_what_they_leave() -> None:
    limits = {"per_ip": {"requests_per_second": 1, "burst": 1},
              "per_api_key": {"free": {"requests_per_second": 5}}}  # fmt: skip
    pool_limit = {"requests_per_second": 1, "burst": 9}
    talk = Talk("a:80", rate_limits=limits, rate_limit=pool_limit)
    talk.get()
    talk.get()
    admitted, refused = [reply["decision"] for reply in talk.end()]
    assert admitted["limits"] == [
        {"limit": "per_ip", "key": "c", "burst": 1, "remaining": 0, "full_in": 1.0},
        {"limit": "pool p", "key": "", "burst": 9, "remaining": 8, "full_in": 1.0},
    ]
    assert [limit["remaining"] for limit in refused["limits"]] == [0, 8]
    assert refused["verdict"] == "rate_limited"
    assert "attempts" not in refused


def test_a_session_is_a_reason_of_its_own() -> None:
    talk = Talk("a:80", "b:80", sticky={"learn": {"cookie": "SID"}})
    talk.get(headers={"Cookie": "SID=x"}, simulate={"headers": {"Set-Cookie": "SID=x"}})
    talk.get(headers={"Cookie": "SID=x"})
    first, second = [reply["decision"]["attempts"][0] for reply in talk.end()]
    assert "because" not in first
    assert second["picked"] == first["picked"]
    assert second["because"] == "the client's session, cookie SID"
    assert "selector" not in second


OPTIONS: dict[str, dict[str, Any]] = {
    "ring-hash": {"hash_key": "path"},
    "maglev": {"hash_key": "path"},
    "rendezvous": {"hash_key": "path"},
    "bounded-load": {"hash_key": "path"},
}
SAYS = {
    "round-robin": {"current_weights"},
    "least-connections": {"in_flight_per_weight", "current_weights"},
    "random": {"drawn"},
    "power-of-two-choices": {"drawn"},
    "least-time": {"drawn", "response_time", "expected"},
    "ring-hash": {"key", "place", "of", "owner", "points"},
    "bounded-load": {"key", "place", "of", "owner", "points", "in_flight", "room"},
    "maglev": {"key", "place", "of", "owner", "places"},
    "rendezvous": {"key", "bids"},
    "ip-hash": {"network"},
}
"""What the algorithms that explain their picks say; the others say nothing."""


@pytest.mark.parametrize("algorithm", BUILT_IN)
def test_every_algorithm_has_a_rule_and_speaks_in_its_own_terms(algorithm: str) -> None:
    talk = Talk(slow("a"), slow("b"), slow("c"), algorithm=algorithm,
                options=OPTIONS.get(algorithm, {}))  # fmt: skip
    talk.get(0)
    talk.get(2, client_ip="192.0.2.7")
    decision = talk.decision()
    assert decision["rule"]
    (attempt,) = decision["attempts"]
    assert set(attempt.get("selector", ())) == SAYS.get(algorithm, set())
    drawn = attempt.get("selector", {}).get("drawn")
    assert drawn is None or attempt["picked"] in drawn


@pytest.mark.parametrize("algorithm", BUILT_IN)
def test_a_pool_that_has_lost_its_only_backend_can_be_asked_too(algorithm: str) -> None:
    talk = Talk("a:80", algorithm=algorithm, options=OPTIONS.get(algorithm, {}))
    talk.send(0, type="remove_backend", pool="p", backend="a")
    talk.get()
    decision = talk.decision()
    assert decision["verdict"] == "no_backend"
    assert decision["waits"][0]["backends"] == {}


def test_a_selector_of_somebody_else_s_need_say_nothing() -> None:
    talk = Talk("a:80", algorithm="tests.core.selectors.third_party:Newest")
    talk.get()
    decision = talk.decision()
    assert "rule" not in decision
    assert "selector" not in decision["attempts"][0]


@given(
    algorithm=st.sampled_from(sorted(BUILT_IN)),
    weights=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    paths=st.lists(st.sampled_from(["/a", "/b", "/c"]), max_size=30),
    explained=st.sets(st.integers(0, 30)),
    failing=st.booleans(),
)
def test_asking_why_changes_no_answer(
    algorithm: str, weights: list[int], paths: list[str], explained: set[int], failing: bool
) -> None:
    simulate: dict[str, Any] = {"latency": {"uniform": [0.1, 2]}}
    if failing:
        simulate["faults"] = [{"fault": "reset", "probability": 0.3}]
    config: dict[str, Any] = {
        "algorithm": algorithm,
        "options": OPTIONS.get(algorithm, {}),
        "simulate": simulate,
        "retries": {"backoff": 0.1},
    }
    backends = [{"address": f"b{i}:80", "weight": w} for i, w in enumerate(weights)]
    answers = []
    for wanted in (set[int](), explained):
        talk = Talk(*backends, **config)
        for number, path in enumerate(paths):
            talk.send(number / 4, type="http_request", msg_id=number, path=path,
                      explain=number in wanted)  # fmt: skip
        for reply in talk.end():
            reply.pop("decision", None)
        answers.append(talk.replies)
    assert answers[0] == answers[1]


def test_a_backend_of_the_next_tier_is_said_to_stand_in_for_those_that_were_tried() -> None:
    dead = {"address": "a:80", "simulate": {"faults": [{"fault": "refuse"}]}}
    talk = Talk(dead, {"address": "spare:80", "tier": 1})
    talk.get()
    first, second = talk.decision()["attempts"]
    assert "because" not in first
    assert second["because"] == "all of the tier in use were tried: tier 1 stands in"
    assert "selector" not in second
