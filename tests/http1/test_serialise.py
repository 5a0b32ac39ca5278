from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.http1 import RequestParser, ResponseParser
from l7proxy.http1.serialise import (
    error_page,
    field_line,
    prefers_json,
    request_head,
    request_line,
    response_head,
    status_line,
)


def test_a_request_head_reads_as_it_was_meant() -> None:
    data = request_head("GET", "/a?b", [("Host", "a.example"), ("X", "")])
    assert data == b"GET /a?b HTTP/1.1\r\nHost: a.example\r\nX: \r\n\r\n"


def test_a_status_has_its_usual_reason_or_another() -> None:
    assert status_line(404) == b"HTTP/1.1 404 Not Found\r\n"
    assert status_line(299) == b"HTTP/1.1 299 \r\n"
    assert status_line(200, "Fine") == b"HTTP/1.1 200 Fine\r\n"


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\rb", "a\0b", "a\x7f", "snow \u2603"])
def test_nothing_can_split_a_field_or_a_line(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        field_line("X", value)
    with pytest.raises(ValueError, match="cannot be"):
        status_line(200, value)
    with pytest.raises(ValueError, match="cannot be"):
        request_line("GET", "/" + value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "\u00e9"])
def test_a_name_or_method_must_be_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a field name"):
        field_line(name, "x")
    with pytest.raises(ValueError, match="cannot be a method"):
        request_line(name, "/")


@pytest.mark.parametrize("status", [0, 99, 600, 1000])
def test_a_status_out_of_range_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="cannot be a status"):
        status_line(status)


@settings(derandomize=True, deadline=None, database=None)
@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_what_is_written_can_be_read_back(target: str, name: str, value: str) -> None:
    try:
        request = request_head("GET", "/" + target, [("Host", "a"), ("X-" + name, value)])
        response = response_head(200, [("X-" + name, value)], target)
    except ValueError:
        return
    for parser, data in ((RequestParser(), request), (ResponseParser(), response)):
        parsed = parser.parse(data)
        assert parsed is not None
        head, end = parsed
        assert end == len(data)
        assert head.fields.items()[-1][1] == value.strip(" \t").encode("latin-1")


def test_an_error_page_is_plain_text() -> None:
    assert error_page(404, "no route matches /x") == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 35\r\nConnection: close\r\n\r\n",
        b"404 Not Found: no route matches /x\n",
    )


def test_an_error_page_is_json_where_that_is_accepted() -> None:
    head, body = error_page(
        429, "slow down", accept=b"application/json", fields=[("Retry-After", "3")], close=False
    )
    assert b"\r\nRetry-After: 3" in head
    assert b"Connection" not in head
    assert json.loads(body) == {"status": 429, "error": "slow down"}


def test_an_answer_to_head_has_the_length_but_not_the_body() -> None:
    head, body = error_page(404, "x", with_body=False)
    assert b"Content-Length: 17\r\n" in head
    assert body == b""


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        (b"", False),
        (b"*/*", False),
        (b"text/html, application/json", False),
        (b"application/json, text/plain, */*", True),
        (b"image/png, Application/Problem+JSON", True),
        (b"application/json;q=0, text/plain", False),
        (b"application/json; q=0.0", False),
        (b"application/json; q=0.5", True),
        (b"application/json;q=0.1, text/plain", False),
        (b"text/plain;q=0.1, application/json", True),
        (b"text/html, application/json;q=0.9, */*;q=0.8", False),
        (b"application/*", True),
        (b"application/*, text/*", False),
        (b"application/json;v=1;Q=0.2, */*;q=0.1", True),
        (b"application/json;q=x, text/plain;q=0.9", True),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
    ],
)
def test_json_is_preferred_where_it_weighs_more_or_is_named_first(
    accept: bytes | None, expected: bool
) -> None:
    assert prefers_json(accept) is expected
