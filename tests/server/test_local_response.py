"""Responses that come from no backend, as bytes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from l7proxy.core.http.local_reply import NO_ROUTE, RATE_LIMITED, LocalReply
from l7proxy.core.http.messages import Headers, HttpResponse
from l7proxy.http1 import RequestHead, RequestParser
from l7proxy.server.local_response import Dates, local_response


def head(method: str = "GET", minor: int = 1, *fields: str) -> RequestHead:
    lines = [f"{method} / HTTP/1.{minor}", "Host: a", *fields, ""]
    parsed = RequestParser().parse("".join(f"{line}\r\n" for line in lines).encode())
    assert parsed is not None
    return parsed[0]


def said(response: HttpResponse, *arguments: Any, close: bool = False) -> list[str]:
    """The lines of an answer but for Date, which it must have."""
    text = b"".join(local_response(response, *arguments, close=close)).decode()
    dateless, dates = re.subn(r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", "", text)
    assert dates == 1
    return dateless.split("\r\n")


def test_a_refusal_is_a_page_with_its_reason() -> None:
    page = "404 Not Found: no route matches\n"
    assert said(HttpResponse(404), NO_ROUTE, head()) == [
        "HTTP/1.1 404 Not Found",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(page)}",
        "",
        page,
    ]
    assert said(HttpResponse(404), NO_ROUTE, head("HEAD"))[2:] == [
        f"Content-Length: {len(page)}", "", "",
    ]  # fmt: skip
    wants_json = head("GET", 1, "Accept: application/json")
    assert said(HttpResponse(404), NO_ROUTE, wants_json)[-1] == (
        '{"status": 404, "error": "no route matches"}\n'
    )


@pytest.mark.parametrize(("text", "page"), [
    ("not found", "404 Not Found\n"),
    ("not found: /x", "404 Not Found: /x\n"),
    ("Nothing is there", "404 Not Found: Nothing is there\n"),
])  # fmt: skip
def test_a_page_does_not_repeat_the_name_of_its_status(text: str, page: str) -> None:
    assert said(HttpResponse(404), LocalReply("none", 404, text), head())[-1] == page


def test_which_limit_was_hit_is_for_the_operator() -> None:
    hit = RATE_LIMITED.with_detail("per_ip")
    assert hit.text == "too many requests: per_ip"
    assert said(HttpResponse(429), hit, head())[-1] == "429 Too Many Requests\n"


def test_a_bad_request_has_no_head_and_is_the_last() -> None:
    lines = said(HttpResponse(400), NO_ROUTE, None, close=True)
    assert lines[-3:-1] == ["Connection: close", ""]
    assert lines[-1].startswith("400 Bad Request: ")


def test_a_client_of_http_1_0_is_told_that_the_connection_stays() -> None:
    old = head("GET", 0, "Connection: keep-alive")
    assert "Connection: keep-alive" in said(HttpResponse(404), NO_ROUTE, old)
    assert "Connection: keep-alive" in said(HttpResponse(200, None, b"ok"), None, old)
    assert "Connection: close" in said(HttpResponse(404), NO_ROUTE, old, close=True)


def test_a_response_that_the_core_has_gets_the_length_that_its_body_has() -> None:
    fields = Headers([("content-length", "7"), ("X-A", "1")])
    assert said(HttpResponse(200, fields, b"ok"), None, head()) == [
        "HTTP/1.1 200 OK", "X-A: 1", "Content-Length: 2", "", "ok",
    ]  # fmt: skip
    assert said(HttpResponse(200, fields, b"ok"), None, head("HEAD")) == [
        "HTTP/1.1 200 OK", "X-A: 1", "Content-Length: 2", "", "",
    ]  # fmt: skip
    assert said(HttpResponse(200), None, head(), close=True) == [
        "HTTP/1.1 200 OK", "Connection: close", "Content-Length: 0", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "reason"), [(204, "No Content"), (304, "Not Modified")])
def test_a_response_that_can_have_no_body_has_none(status: int, reason: str) -> None:
    assert said(HttpResponse(status, None, b"ok"), None, head()) == [
        f"HTTP/1.1 {status} {reason}", "", "",
    ]  # fmt: skip


def test_the_date_is_written_anew_each_second() -> None:
    now = 0.0
    dates = Dates(lambda: now)
    heard = []
    for now in (1.0, 2.0, 2.9, 3.0):  # noqa: B007
        heard.append(dates.text()[-6:-4])
        assert dates.line() == b"Date: %b\r\n" % dates.text().encode()
    assert heard == ["01", "02", "02", "03"]


def test_a_date_of_its_own_is_the_only_one() -> None:
    fields = Headers([("date", "Thu, 01 Jan 1970 00:00:00 GMT")])
    head_, _ = local_response(HttpResponse(200, fields, b""), None, head(), close=False)
    assert head_.lower().count(b"date: ") == 1
