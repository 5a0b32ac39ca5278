"""Messages that look at pools and change them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.conversation import Conversation, one_pool


@pytest.mark.parametrize(("body", "text"), [
    ({"type": "status", "pool": "q"}, '/body/pool: no pool named "q"'),
    ({"type": "backend", "pool": "p"}, '/body/backend: no backend named "" in pool "p"'),
    ({"type": "backend", "pool": "p", "backend": "a"},
     "/body/set: must be an object, not null"),
    ({"type": "backend", "pool": "p", "backend": "a", "set": {"colour": 1}},
     "/body/set: takes state and weight"),
    ({"type": "backend", "pool": "p", "backend": "a", "set": {}},
     "/body/set: takes state and weight"),
    ({"type": "add_backend", "pool": "p", "backend": {"address": "a:1", "name": "a"}},
     '/body/backend: a backend named "a" is in this pool already'),
    ({"type": "add_backend", "pool": "p", "backend": 5},
     "/body/backend: must be an object, not a number"),
    ({"type": "backend", "pool": "p", "backend": "a", "set": {"weight": 0}},
     "/body/set/weight: must be at least 1, not 0"),
    ({"type": "remove_backend", "pool": "p", "backend": "c"},
     '/body/backend: no backend named "c" in pool "p"'),
])  # fmt: skip
def test_what_can_not_be_done_is_said(body: dict[str, Any], text: str) -> None:
    (reply,) = Conversation(one_pool()).request(0.0, **body)
    assert (reply["body"]["code"], reply["body"]["text"]) == (12, text)


def test_a_second_backend_on_a_host_is_named_by_its_address() -> None:
    (reply,) = Conversation(one_pool()).request(0.0, type="add_backend", pool="p", backend="a:2")
    assert reply["body"] == {"type": "add_backend_ok", "in_reply_to": 1, "backend": "a:2"}


def test_a_backend_that_is_there_already_is_not_added_once_more_by_mistake() -> None:
    (reply,) = Conversation(one_pool()).request(0.0, type="add_backend", pool="p", backend="a:1")
    assert reply["body"]["code"] == 12
    assert reply["body"]["text"] == (
        "/body/backend: a:1 is in this pool already; to have it twice, name it"
    )


def test_status_shows_all_pools_or_one() -> None:
    talk = Conversation(one_pool())
    (every,) = talk.request(0.0, type="status")
    (one,) = talk.request(0.0, type="status", pool="p")
    assert every["body"]["pools"] == one["body"]["pools"]
    assert every["body"]["replies_dropped"] == 0


def test_a_weight_that_the_selector_can_not_work_with_changes_nothing() -> None:
    talk = Conversation(one_pool(algorithm="ring-hash", options={"points": 10_000}))
    heavy = {"address": "b:1", "weight": 1000}
    changes: list[tuple[str, dict[str, Any]]] = [
        ("/body/set/weight", {"type": "backend", "backend": "a", "set": {"weight": 1001}}),
        ("/body/set/weight",
         {"type": "backend", "backend": "a", "set": {"weight": 65535, "state": "drain"}}),
        ("/body/backend", {"type": "add_backend", "backend": heavy}),
    ]  # fmt: skip
    for pointer, body in changes:
        (reply,) = talk.request(0.0, pool="p", **body)
        assert reply["body"]["code"] == 12
        assert reply["body"]["text"].startswith(f"{pointer}: the ring would have ")
    (status,) = talk.request(0.0, type="status")
    shown = status["body"]["pools"]["p"]["backends"]
    assert {name: (b["weight"], b["state"]) for name, b in shown.items()} == {"a": (1, "up")}


def test_a_backend_that_was_removed_does_not_count_among_the_weights() -> None:
    talk = Conversation(
        one_pool(algorithm="ring-hash", options={"points": 10_000}, simulate={"latency": 1})
    )
    talk.request(0.0, type="backend", pool="p", backend="a", set={"weight": 2})
    talk.request(0.0, msg_id=7, client_ip="c")
    talk.request(0.0, type="remove_backend", pool="p", backend="a")
    heavy = {"address": "b:1", "weight": 1000}
    (added,) = talk.request(0.0, type="add_backend", pool="p", backend=heavy)
    assert added["body"]["type"] == "add_backend_ok"


def test_a_simulated_backend_is_added_by_its_name_alone_and_no_other() -> None:
    talk = Conversation(one_pool())
    (reply,) = talk.request(0.0, type="add_backend", pool="p", backend={"name": "new"})
    assert reply["body"]["backend"] == "new"
    (status,) = talk.request(0.0, type="status")
    assert status["body"]["pools"]["p"]["backends"]["new"]["address"] == "new"
    other = Conversation({"backend_pools": {"p": {"backends": ["n2"], "upstream": "envelope"}}})
    (reply,) = other.request(0.0, type="add_backend", pool="p", backend={"name": "new"})
    assert reply["body"]["text"] == '/body/backend: "address" is missing'
