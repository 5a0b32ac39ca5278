"""HTTP messages inside JSON: what is wrong with a member is said with its pointer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import count
from l7proxy.envelope.errors import BadMember
from l7proxy.envelope.members import body_member, headers_member, load_member, put_body


class Two(Record):
    """Two numbers."""

    one: int = field(count(), "")
    other: int = field(count(), "")


def test_every_problem_of_a_member_is_said_with_a_pointer_into_the_message() -> None:
    with pytest.raises(BadMember) as caught:
        load_member(RecordOf(Two), {"one": 0, "a/b": 1}, "/body/two")
    assert str(caught.value) == (
        "/body/two/a~1b: unknown key; /body/two/one: must be at least 1, not 0; "
        '/body/two: "other" is missing'
    )
    loaded = load_member(RecordOf(Two), {"one": 1, "other": 2}, "/body/two")
    assert loaded == Two(one=1, other=2)


@pytest.mark.parametrize(("message", "text"), [
    ({"headers": []}, "/body/headers: must be an object, not an array"),
    ({"headers": {"a/b": None}}, "/body/headers/a~1b: must be a string, not null"),
    ({"headers": {"~": ["x", 1]}}, "/body/headers/~0/1: must be a string, not a number"),
])  # fmt: skip
def test_a_header_is_pointed_at_as_rfc_6901_has_it(message: Any, text: str) -> None:
    with pytest.raises(BadMember) as caught:
        headers_member(message)
    assert str(caught.value) == text


@pytest.mark.parametrize(("value", "well_formed"), [
    ({"Host": "a.example:80", "X-A": "b c"}, True),
    ({}, True),
    ({"X": ""}, True),
    ({"X-A": " b"}, False),
    ({"X-A": "b ", "X-B": "c"}, False),
    ({"X-A": "b", "X-B": "\tc"}, False),
    ({"X-A": ["b", " c"]}, False),
    ({"Host": ["a"]}, False),
    ({"Host": "a b"}, False),
    ({"Host": "a", "host": "a"}, False),
    ({"X(": "b"}, False),
    ({"X-A": "b\n"}, False),
    ({"Expect": "100-continue"}, False),
    ({"Authorization": "a", "If-Range": "b"}, True),
    ({"Authorization": "a", "authorization": "b"}, False),
    ({"Host": "a", "X-Forwarded-For": "b"}, False),
    ({"X_Forwarded_For": "b"}, False),
    ({"X-Forwarded-For": "b", "X(": "c"}, False),
])  # fmt: skip
def test_headers_are_stripped_and_known_to_be_good_where_one_look_tells(
    value: dict[str, Any], well_formed: bool
) -> None:
    for _ in range(2):
        headers = headers_member({"headers": value})
        assert headers.well_formed == well_formed
        lines = [(k, x) for k, v in value.items() for x in ([v] if isinstance(v, str) else v)]
        assert list(headers) == [(name, line.strip(" \t")) for name, line in lines]


def test_a_body_is_text_or_base64() -> None:
    assert body_member({}) == b""
    assert body_member({"body": "é"}) == "é".encode()
    assert body_member({"body": "/w==", "body_encoding": "base64"}) == b"\xff"
    with pytest.raises(BadMember, match="/body/body: not base64"):
        body_member({"body": "%", "body_encoding": "base64"})


@pytest.mark.parametrize(("body", "is_text"), [
    (b"", True),
    ("é".encode(), True),
    (b"\xff", False),
    (b"a line\n\tand another\r\n" * 100, True),
    (b"\x00\x01\x1b[0m", True),
    (b"\x00" * 1000, False),
    (b"\x1f" * 1000, False),
    (b"\x00" + b"x" * 1000, True),
    (b"\x7f" * 1000, False),
])  # fmt: skip
def test_a_body_is_written_as_text_where_that_is_shorter(body: bytes, is_text: bool) -> None:
    message: dict[str, Any] = {}
    put_body(message, body)
    assert ("body_encoding" not in message) is is_text
    assert body_member(message) == body
    assert len(json.dumps(message)) <= 1.4 * len(body) + 60
