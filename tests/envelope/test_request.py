"""Bodies of `http_request` as requests, and members that are nearly ours."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.envelope.errors import BadMember
from l7proxy.envelope.request import request_from


@pytest.mark.parametrize(("member", "meant"), [
    ("pth", "path"),
    ("Path", "path"),
    ("PATH", "path"),
    ("metod", "method"),
    ("methods", "method"),
    ("header", "headers"),
    ("Headers", "headers"),
    ("cookie", "cookies"),
    ("client_id", "client_ip"),
    ("clientIp", "client_ip"),
    ("bodyEncoding", "body_encoding"),
    ("msgid", "msg_id"),
    ("explained", "explain"),
])  # fmt: skip
def test_a_member_that_is_nearly_one_of_ours_is_taken_for_a_mistake(
    member: str, meant: str
) -> None:
    body: dict[str, Any] = {"type": "http_request", member: "x"}
    if meant != "path":
        body["path"] = "/"
    for _ in range(2):
        with pytest.raises(BadMember) as caught:
            request_from(body, "c")
        text = str(caught.value)
        assert text == f'/body/{member}: unknown member; did you mean "{meant}"?'


@pytest.mark.parametrize("member", [
    "trace_id", "request_id", "user", "host", "url", "query", "params", "port", "body_size", "at",
    "src", "in_reply_to", "state", "status", "bytes", "seconds", "time", "backend", "http_version",
    "encoding", "p" * 1000, "",
])  # fmt: skip
def test_members_that_are_nobody_s_are_left_alone(member: str) -> None:
    assert request_from({"path": "/a", member: 1}, "c").target == "/a"


def test_what_is_there_under_its_own_name_is_not_misspelt() -> None:
    body = {"path": "/a", "paths": ["/b"], "client_ip": "192.0.2.1", "client_id": 7}
    request = request_from(body, "c")
    assert (request.target, request.client_ip) == ("/a", "192.0.2.1")


def test_ever_new_members_are_forgotten_and_a_mistake_is_still_found() -> None:
    for number in range(1500):
        assert request_from({"path": "/a", f"x{number}": 1}, "c").target == "/a"
    with pytest.raises(BadMember, match='did you mean "headers"'):
        request_from({"path": "/a", "header": {}}, "c")
