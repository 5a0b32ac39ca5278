"""No member is taken for another that has its name elsewhere, whatever lines came before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.node.conversation import Conversation, one_pool

LOOKALIKES = (
    ('{"headers": {"path": "%s"}, "path": "%s"}', "path"),
    ('{"path": "%s", "headers": {"path": "%s"}}', "path first"),
    ('{"cookies": {"path": "%s"}, "path": "%s"}', "cookie"),
    ('{"body": "\\"path\\": \\"%s\\"", "path": "%s"}', "text"),
    ('{"x": {"path": "%s"}, "path": "%s"}', "unknown member"),
)


@pytest.mark.parametrize(
    "shape", [shape for shape, _ in LOOKALIKES], ids=[n for _, n in LOOKALIKES]
)
@pytest.mark.parametrize("before", [0, 2, 1200], ids=["at first", "known", "fast decoder"])
def test_a_member_elsewhere_that_looks_like_the_path_never_is_the_path(
    shape: str, before: int
) -> None:
    talk = Conversation()
    is_first = shape.startswith('{"path"')

    def ask(path: str, elsewhere: str) -> Any:
        body = shape % ((path, elsewhere) if is_first else (elsewhere, path))
        line = '{"src": "c", "body": {"type": "http_request", "msg_id": 7, ' + body[1:] + "}"
        return json.loads(talk.say_raw(line))["body"]

    for _ in range(before):
        assert ask("/", "/")["status"] == 404
    for elsewhere in ("/api", "/static", "/"):
        assert ask("/", elsewhere)["status"] == 404
        assert ask("/api", elsewhere)["backend"].startswith("api")
        assert ask("/static", elsewhere)["backend"].startswith("static")


def test_an_in_reply_to_elsewhere_never_is_the_replys() -> None:
    talk = Conversation(one_pool(upstream="envelope"))
    lines = (
        '{"in_reply_to": 1, "headers": {"in_reply_to": "2"}}',
        '{"headers": {"in_reply_to": "1"}, "in_reply_to": 2}',
    )
    for _ in range(2):
        talk.request(msg_id=1)
        talk.request(msg_id=2)
    for number in range(0, 4, 2):
        for wanted, line in enumerate(lines, 1):
            body = line.replace(f'"in_reply_to": {wanted}', f'"in_reply_to": {number + wanted}')
            reply = (
                '{"src": "a", "body": {"type": "http_response", "status": 200, ' + body[1:] + "}"
            )
            answer = json.loads(talk.say_raw(reply))
            assert (answer["dest"], answer["body"]["in_reply_to"]) == ("c", wanted)
