"""Lines wait for those that were asked for before them."""

from __future__ import annotations

from l7proxy.node.in_order import InOrderWriter
from tests.node.conversation import Conversation, envelopes, one_pool


def test_a_line_without_a_slot_waits_for_those_before_it() -> None:
    out: list[str] = []
    order = InOrderWriter(out)
    order.expect("a")
    order.expect("b")
    order.put("2", "b")
    order.put("3", None)
    assert out == []
    order.put("1", "a")
    assert out == ["1", "2", "3"]


def test_where_nothing_is_expected_a_line_is_written_at_once() -> None:
    out: list[str] = []
    order = InOrderWriter(out)
    order.expect("a")
    order.put("1", "a")
    order.put("2", None)
    order.put("3", "never expected")
    assert out == ["1", "2", "3"]


def test_replies_of_every_type_keep_the_order_of_their_requests() -> None:
    talk = Conversation(one_pool(), ordered=True)
    assert talk.request(msg_id=1, simulate={"latency": 2}) == []
    assert talk.request(msg_id=2, type="status") == []
    assert talk.request(msg_id=3, type="gossip") == []
    assert talk.request(msg_id=4, simulate={"latency": 1}) == []
    replies = envelopes(talk.node.advance(1.0)) + envelopes(talk.node.advance(2.0))
    assert [reply["body"]["in_reply_to"] for reply in replies] == [1, 2, 3, 4]


def test_a_request_that_another_node_refused_holds_up_nobody() -> None:
    talk = Conversation(one_pool(backends=["n"], upstream="envelope"), ordered=True)
    (asked,) = talk.request(msg_id=1)
    assert talk.request(msg_id=2, path="/none") == []
    answer = {"type": "error", "in_reply_to": asked["body"]["msg_id"], "code": 13, "text": "a bug"}
    replies = talk.say({"src": "n", "body": answer})
    assert [(r["body"]["in_reply_to"], r["body"]["status"]) for r in replies] == [
        (1, 502), (2, 404),
    ]  # fmt: skip
