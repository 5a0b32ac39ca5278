"""The conversation: what goes in (>>), what comes out (<<), and what is only logged (!!)."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import ConfigError, config_from
from l7proxy.node import Node
from l7proxy.node.node import HANDLERS
from tests.node.conversation import Conversation, envelopes, one_pool, only
from tests.node.misbehaving import Buggy, Late


def test_a_request_is_answered_by_the_pool_of_its_path(talk: Conversation) -> None:
    reply = talk.say_raw(
        '{"src": "c", "dest": "p", "body": {"type": "http_request", "msg_id": 7, "path": "/api"}}'
    )
    assert reply == (
        '{"src": "p", "dest": "c", "body": {"type": "http_response", "in_reply_to": 7, '
        '"status": 200, "backend": "api-1"}}\n'
    )


def test_without_a_msg_id_the_reply_says_nothing_of_one(talk: Conversation) -> None:
    reply = talk.body(type="http_request", path="/api")
    assert reply == {"type": "http_response", "status": 200, "backend": "api-1"}


def test_without_a_dest_the_node_answers_under_its_own_name(talk: Conversation) -> None:
    (reply,) = talk.say({"src": "c", "body": {"type": "http_request", "path": "/api"}})
    assert reply["src"] == "l7_proxy"


NO_ID = "must be a whole number or a string"


@pytest.mark.parametrize(("path", "status", "error"), [
    ("/nowhere", 404, "no route matches: /nowhere"),
    ("/apix", 404, "no route matches: /apix"),
    ("api", 400, "bad request: the path must start with /"),
    ("/a b", 400, "bad request: the path has a space, a control character or a #"),
])  # fmt: skip
def test_what_the_proxy_answers_itself_has_an_error_and_no_backend(
    talk: Conversation, path: str, status: int, error: str
) -> None:
    assert talk.get(path) == {
        "type": "http_response", "in_reply_to": 1, "status": status, "error": error,
    }  # fmt: skip


def test_a_bad_method_is_the_requests_fault(talk: Conversation) -> None:
    assert talk.get("/api", method="G E T")["status"] == 400


def test_control_characters_in_a_header_are_the_requests_fault(talk: Conversation) -> None:
    reply = talk.get("/api", headers={"X: a\r\nY": "b\r\nZ: 1"})
    assert (reply["status"], "backend" in reply) == (400, False)


def test_control_characters_in_another_nodes_header_are_the_backends_fault() -> None:
    talk = Conversation(one_pool(backends=["b"], upstream="envelope"))
    asked = talk.get("/p")
    assert asked["type"] == "http_request"
    answer = {"type": "http_response", "in_reply_to": asked["msg_id"], "status": 200,
              "headers": {"X": "a\nb"}}  # fmt: skip
    assert only(talk.say({"src": "b", "body": answer}))["body"]["status"] == 502


def test_what_the_node_asks_by_itself_comes_from_the_name_that_it_was_last_called() -> None:
    asked = {"backends": ["b"], "upstream": "envelope"}
    talk = Conversation({
        "backend_pools": {
            "p": {**asked, "health": {"path": "/up", "timeout": 0.5}}, "copies": asked,
        },
        "routes": [{"path_pattern": "/*", "backend_pool": "p", "mirror": "copies"}],
    })  # fmt: skip
    body = {"type": "http_request", "msg_id": 1, "path": "/x"}
    sent = [
        envelope
        for name, at in (("first", 0), ("second", 6))
        for envelope in talk.say({"src": "c", "dest": name, "at": at, "body": body})
    ]
    assert [(one["src"], one["dest"], one["body"]["path"]) for one in sent] == [
        *(("first", "b", "/up"), ("first", "b", "/x"), ("first", "b", "/x")),
        *(("second", "b", "/up"), ("second", "b", "/x"), ("second", "b", "/x")),
    ]


@pytest.mark.parametrize(("body", "text"), [
    (None, "/body: must be an object, not null"),
    (5, "/body: must be an object, not a number"),
    ({}, "/body/type: must be a string"),
    ({"type": 5}, "/body/type: must be a string"),
    ({"type": "http_request"}, '/body: "path" is missing'),
    ({"type": "http_request", "path": 5}, "/body/path: must be a string, not a number"),
    ({"type": "http_request", "path": "/", "method": []},
     "/body/method: must be a string, not an array"),
    ({"type": "http_request", "path": "/", "client_ip": {}},
     "/body/client_ip: must be a string, not an object"),
    ({"type": "http_request", "path": "/", "headers": 1},
     "/body/headers: must be an object, not a number"),
    ({"type": "http_request", "path": "/", "headers": {"Host": True}},
     "/body/headers/Host: must be a string, not a boolean"),
    ({"type": "http_request", "path": "/", "headers": {"Host": ["a", None]}},
     "/body/headers/Host/1: must be a string, not null"),
    ({"type": "http_request", "path": "/", "cookies": "a=b"},
     "/body/cookies: must be an object, not a string"),
    ({"type": "http_request", "path": "/", "cookies": {"a": 1}},
     "/body/cookies/a: must be a string, not a number"),
    ({"type": "http_request", "path": "/", "cookies": {"a/b": 1}},
     "/body/cookies/a~1b: must be a string, not a number"),
    ({"type": "http_request", "path": "/", "headers": {"a/b~ c": 1}},
     "/body/headers/a~1b~0 c: must be a string, not a number"),
    ({"type": "http_request", "path": "/", "body": 1},
     "/body/body: must be a string, not a number"),
    ({"type": "http_request", "path": "/", "body_encoding": "gzip"},
     '/body/body_encoding: must be "base64", not "gzip"'),
    ({"type": "http_request", "path": "/", "msg_id": []}, f"/body/msg_id: {NO_ID}"),
    ({"type": "http_request", "path": "/", "msg_id": True}, f"/body/msg_id: {NO_ID}"),
    ({"type": "http_request", "path": "/", "msg_id": 1.5}, f"/body/msg_id: {NO_ID}"),
    ({"type": "init", "node_id": 5}, "/body/node_id: must be a string, not a number"),
    ({"type": "init", "backend_pools": {"a/b": {}}},
     '/body/backend_pools/a~1b: "backends" is missing'),
])  # fmt: skip
def test_what_is_no_valid_message_gets_error_12(talk: Conversation, body: Any, text: str) -> None:
    (reply,) = talk.say({"src": "c1", "dest": "n1", "body": body})
    assert reply == {"src": "n1", "dest": "c1", "body": {"type": "error", "code": 12, "text": text}}
    assert talk.get("/api")["backend"] == "api-1"


@pytest.mark.parametrize("name", ["1", "", 'a"\\\u00e9\n', "\ud800"])
def test_a_string_is_as_good_an_id_as_a_number(talk: Conversation, name: str) -> None:
    assert talk.body(type="http_request", path="/api", msg_id=name)["in_reply_to"] == name
    assert talk.body(type="http_request", path="/none", msg_id=name)["in_reply_to"] == name
    assert talk.body(type="http_request", msg_id=name) == {
        "type": "error", "in_reply_to": name, "code": 12, "text": '/body: "path" is missing',
    }  # fmt: skip
    assert talk.body(type="init", msg_id=name) == {"type": "init_ok", "in_reply_to": name}


def test_a_body_that_is_not_base64_gets_error_12(talk: Conversation) -> None:
    reply = talk.get("/api", body="%%%", body_encoding="base64")
    assert (reply["code"], reply["in_reply_to"]) == (12, 1)
    assert reply["text"].startswith("/body/body: not base64: ")


@pytest.mark.parametrize("text", [
    '{"src": "c", "src": "c", "body": {"type": "http_request", "path": "/api"}}',
    '{"src": "c", "body": {"type": "http_request", "path": "/api", "path": "/static"}}',
    '{"src": "c", "body": {"type": "http_request", "path": "/api", "headers": {"a": "", "a": ""}}}',
])  # fmt: skip
def test_a_key_written_twice_gets_error_12(talk: Conversation, text: str) -> None:
    reply = json.loads(talk.say_raw(text))["body"]
    assert reply["code"] == 12
    assert "is written more than once" in reply["text"]


def test_an_unknown_type_gets_error_10(talk: Conversation) -> None:
    assert talk.body(type="gossip", msg_id=3) == {
        "type": "error", "in_reply_to": 3, "code": 10, "text": 'no message type "gossip"',
    }  # fmt: skip


def test_a_reply_that_nobody_waits_for_is_only_logged(talk: Conversation) -> None:
    assert talk.body(type="gossip_ok", in_reply_to=3) is None
    assert talk.log == ['line 1: a reply of type "gossip_ok" was dropped']


@pytest.mark.parametrize(("body", "why"), [
    ({"type": "gossip_ok", "in_reply_to": 3, "msg_id": {}}, f"/body/msg_id: {NO_ID}"),
    ({"type": "http_response", "in_reply_to": 3, "msg_id": []}, f"/body/msg_id: {NO_ID}"),
    ({"type": "error", "msg_id": 1.5}, f"/body/msg_id: {NO_ID}"),
    ({"in_reply_to": 3}, "/body/type: must be a string"),
    ({"type": [], "in_reply_to": 3}, "/body/type: must be a string"),
])  # fmt: skip
def test_an_answer_that_is_wrong_is_only_logged(talk: Conversation, body: Any, why: str) -> None:
    assert talk.say({"src": "c1", "dest": "n1", "body": body}) == []
    assert talk.log == [f"line 1: a reply was dropped: {why}"]


@pytest.mark.parametrize("kind", ["http_request", "init", "status", "backend"])
def test_what_is_a_request_gets_its_one_answer_whatever_else_is_in_it(
    talk: Conversation, kind: str
) -> None:
    reply = talk.body(type=kind, in_reply_to=3, msg_id=[], path="/api")
    assert (reply["code"], reply["text"]) == (12, f"/body/msg_id: {NO_ID}")
    assert talk.body(type="http_request", in_reply_to=3, path="/api")["status"] == 200
    assert talk.log == []


def test_a_bug_in_the_handling_of_an_answer_is_logged_and_answered_by_nobody(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def buggy(node: Node, envelope: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(HANDLERS, "http_response", buggy)
    assert talk.body(type="http_response", in_reply_to=4) is None
    assert talk.log[0].startswith("Traceback")


def test_optional_members_may_be_null(talk: Conversation) -> None:
    nothing = dict.fromkeys(("msg_id", "method", "headers", "cookies", "client_ip", "body",
                             "body_encoding", "simulate", "explain", "circuit_state"))  # fmt: skip
    body = {"type": "http_request", "path": "/api", **nothing}
    (reply,) = talk.say({"src": "c1", "dest": None, "at": None, "body": body})
    assert reply == {
        "src": "l7_proxy", "dest": "c1",
        "body": {"type": "http_response", "status": 200, "backend": "api-1"},
    }  # fmt: skip
    assert talk.body(type="init", node_id=None) == {"type": "init_ok"}


def test_a_bug_gets_error_13_and_a_traceback_in_the_log_and_the_node_lives_on(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def buggy(node: Node, envelope: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(HANDLERS, "buggy", buggy)
    assert talk.body(type="buggy", msg_id=4) == {
        "type": "error", "in_reply_to": 4, "code": 13, "text": "internal error: ZeroDivisionError",
    }  # fmt: skip
    assert talk.log[0].startswith("Traceback") and "a bug" in talk.log[0]
    assert talk.get("/api")["backend"] == "api-1"


@pytest.mark.parametrize("text", [
    "{}",
    '{"body": {"type": "http_request", "path": "/api"}}',
    '{"src": 5, "body": {"type": "http_request", "path": "/api"}}',
])  # fmt: skip
def test_without_a_usable_src_there_is_a_line_in_the_log_and_no_reply(
    talk: Conversation, text: str
) -> None:
    assert talk.say_raw(text) == ""
    assert talk.log == ["line 1: no usable src: it must be a string"]


def test_a_huge_but_convertible_msg_id_comes_back_as_it_was(talk: Conversation) -> None:
    number = 10**4000
    reply = talk.body(type="http_request", path="/api", msg_id=number)
    assert reply["in_reply_to"] == number


def test_init_is_acknowledged_and_sets_the_name(talk: Conversation) -> None:
    reply = talk.body(type="init", msg_id=1, node_id="lb-9", node_ids=["lb-9"])
    assert reply == {"type": "init_ok", "in_reply_to": 1}
    (reply,) = talk.say({"src": "c", "dest": "n1", "body": {"type": "gossip"}})
    assert reply["src"] == "lb-9"
    assert talk.body(type="init") == {"type": "init_ok"}


def test_init_may_bring_pools_and_routes(talk: Conversation) -> None:
    pools = {"users": {"backends": ["u1:1", "u2:1"]}}
    routes = [{"path_pattern": "/v1/users/*", "backend_pool": "users"}]
    assert talk.body(type="init", msg_id=1, backend_pools=pools, routes=routes)["type"] == "init_ok"
    assert talk.get("/v1/users/7")["backend"] == "u1"
    assert talk.get("/api")["status"] == 404


def test_an_init_may_have_members_of_others_but_none_that_are_nearly_ours(
    talk: Conversation,
) -> None:
    others = {"node_ids": ["a", "b"], "seed": 1, "version": "1.0", "description": "a test"}
    assert talk.body(type="init", msg_id=1, backends=["a:1"], **others)["type"] == "init_ok"
    reply = talk.body(type="init", msg_id=2, backend_pool={"p": {"backends": ["b:1"]}}, **others)
    assert (reply["code"], reply["text"]) == (
        12, '/body/backend_pool: unknown key; did you mean "backend_pools"?',
    )  # fmt: skip
    assert talk.get("/")["backend"] == "a"


def test_what_an_init_says_of_its_single_pool_holds_and_is_pointed_at_where_it_is(
    talk: Conversation,
) -> None:
    reply = talk.body(type="init", backends=["a:1"], algorithm="rr0", simulate={"status": 999})
    assert [problem.partition(":")[0] for problem in reply["text"].split("; /")] == [
        "/body/algorithm", "body/simulate/status",
    ]  # fmt: skip
    reply = talk.body(type="init", backends=["a:1"], upstream="http")
    assert reply["text"].startswith("/body/upstream: real backends must be")
    reply = talk.body(type="init", backends=["a:1"], sticky={"cookie": {"key_env": "NONE"}})
    assert reply["text"].startswith("/body/sticky/cookie/key_env: ")
    talk.body(type="init", backends=["a:1"], simulate={"status": 201})
    assert talk.get("/")["status"] == 201


def test_init_may_bring_a_single_pool_that_takes_every_path(talk: Conversation) -> None:
    talk.body(type="init", backends=["a:1", "b:1"], algorithm="round-robin")
    assert [talk.get(path)["backend"] for path in ("/", "/x/y", "/z")] == ["a", "b", "a"]


def test_an_init_with_a_wrong_configuration_names_every_problem_and_changes_nothing(
    talk: Conversation,
) -> None:
    reply = talk.body(
        type="init",
        msg_id=1,
        backend_pools={"a": {"backends": ["x:1"], "colour": 1}},
        routes=[{"path": "/x", "backend_pool": "b"}],
    )
    assert reply == {
        "type": "error",
        "in_reply_to": 1,
        "code": 12,
        "text": "/body/backend_pools/a/colour: unknown key; "
        '/body/routes/0/backend_pool: no pool named "b"',
    }
    assert talk.get("/api")["backend"] == "api-1"


def test_a_configuration_that_no_selector_takes_is_refused_at_the_start() -> None:
    config = config_from(
        {"backends": ["a:1"], "algorithm": "tests.core.selectors.third_party:Particular"}
    )
    with pytest.raises(ConfigError) as caught:
        Node(config, Random(0), print)
    assert str(caught.value) == "/options: not with these backends"


def test_canned_headers_and_bodies_come_back_in_the_protocols_order() -> None:
    canned = {
        "status": 201,
        "headers": {"X-One": "1", "x-one": "2", "Set-Cookie": ["a=1", "b=2"]},
        "body": "héllo",
    }
    talk = Conversation({"backends": [{"address": "a:1", "simulate": canned}]})
    reply = talk.get("/")
    assert list(reply.items()) == [
        ("type", "http_response"),
        ("in_reply_to", 1),
        ("status", 201),
        ("headers", {"X-One": ["1", "2"], "Set-Cookie": ["a=1", "b=2"]}),
        ("body", "héllo"),
        ("backend", "a"),
    ]


def test_a_body_that_is_not_text_comes_back_in_base64() -> None:
    talk = Conversation({"backends": [{"address": "a:1", "simulate": {"body": "\ud800"}}]})
    reply = talk.get("/")
    assert (reply["body"], reply["body_encoding"]) == ("7aCA", "base64")


def test_a_bug_in_an_upstream_gets_error_13_and_holds_no_place() -> None:
    talk = Conversation({"backends": ["a:1"]}, upstreams={"simulated": Buggy})
    assert talk.get("/bug") == {
        "type": "error", "in_reply_to": 1, "code": 13, "text": "internal error: ZeroDivisionError",
    }  # fmt: skip
    (traceback,) = talk.log
    assert traceback.startswith("Traceback") and traceback.endswith("ZeroDivisionError: a bug")
    assert talk.node.idle
    assert talk.get("/")["status"] == 200
    assert talk.pools["default"].backends[0].in_flight == 0


def test_a_bug_in_a_selector_gets_error_13_and_holds_no_place() -> None:
    talk = Conversation({"backends": ["a:1"], "algorithm": "tests.node.misbehaving:BuggySelector"})
    assert talk.get("/bug")["text"] == "internal error: ZeroDivisionError"
    assert talk.node.idle
    assert talk.get("/")["status"] == 200
    pool = talk.pools["default"]
    assert (pool.requests, pool.backends[0].in_flight) == (0, 0)


def test_a_bug_that_only_a_mirrored_copy_meets_is_told_in_the_log_alone() -> None:
    route = {"path_pattern": "/*", "backend_pool": "a", "mirror": "b"}
    pools = {"a": {"backends": ["a:1"]}, "b": {"backends": ["b:1"], "upstream": "envelope"}}
    talk = Conversation({"backend_pools": pools, "routes": [route]}, upstreams={"envelope": Buggy})
    assert talk.get("/bug")["status"] == 200
    (traceback,) = talk.log
    assert traceback.endswith("ZeroDivisionError: a bug")
    assert talk.pools["b"].requests == 0


def test_what_takes_too_long_is_answered_504_when_its_time_has_come(late: Conversation) -> None:
    assert late.get("/p") is None
    assert late.node.next_deadline() == 60.0
    assert late.node.advance(59.0) == b""
    assert not late.node.idle
    (reply,) = envelopes(late.node.advance(60.0))
    assert (reply["body"]["status"], reply["body"]["in_reply_to"]) == (504, 1)
    assert late.node.engine.idle
    assert late.node.next_deadline() is None


def test_what_is_in_flight_keeps_its_configuration_when_an_init_brings_another() -> None:
    talk = Conversation({"backends": ["a:1"], "upstream": "envelope"}, upstreams={"envelope": Late})
    first = talk.node.engine.proxy
    talk.get("/")
    talk.body(type="init", backends=["b:1"], upstream="simulated")
    assert talk.get("/")["backend"] == "b"
    assert first in talk.node.engine.proxies
    (reply,) = envelopes(talk.node.advance(60.0))
    assert reply["body"]["status"] == 504
    talk.body(type="init", backends=["c:1"])
    assert talk.node.engine.proxies == [talk.node.engine.proxy]


def test_what_is_still_in_flight_at_the_end_is_answered_503(late: Conversation) -> None:
    late.get("/p")
    assert late.node.finish(1.0) == b""
    (reply,) = envelopes(late.node.abort(2.0))
    assert (reply["body"]["status"], reply["body"]["error"]) == (503, "the proxy is shutting down")
    assert late.node.idle
    assert late.node.abort(3.0) == b""


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
parts = ("type", "msg_id", "method", "path", "headers", "cookies", "client_ip", "body",
         "body_encoding", "node_id", "backend_pools", "routes", "backends")  # fmt: skip
wild_bodies = st.dictionaries(st.sampled_from(parts), anything, max_size=6)
types = st.sampled_from(["http_request", "init", "gossip"])


@given(wild_bodies, types)
def test_whatever_a_message_holds_it_gets_exactly_one_reply(
    body: dict[str, Any], kind: str
) -> None:
    talk = Conversation()
    out = talk.say_raw(json.dumps({"src": "c", "body": {"msg_id": 1, **body, "type": kind}}))
    assert out.count("\n") == 1
    assert json.loads(out)["body"].get("code") != 13, talk.log


@given(st.text())
def test_whatever_the_path_the_answer_is_an_http_response(path: str) -> None:
    assert Conversation().get(path)["type"] == "http_response"


def test_it_wants_input_unless_enough_is_in_flight_that_ends_without_any() -> None:
    slow = {"simulate": {"latency": 1}}
    asks = Conversation(one_pool(upstream="envelope"), enough_in_flight=1)
    virtual = Conversation(one_pool(**slow), enough_in_flight=1, virtual_time=True)
    wall = Conversation(one_pool(**slow), enough_in_flight=1)
    for talk in (asks, virtual, wall):
        assert talk.node.wants_input
        talk.request()
    assert asks.node.wants_input and virtual.node.wants_input and not wall.node.wants_input
    wall.node.advance(1.0)
    assert wall.node.wants_input
