"""A request head as the core sees it."""

from __future__ import annotations

import pytest

from l7proxy.core.http.messages import HttpRequest
from l7proxy.http1 import RequestHead, RequestParser
from l7proxy.server.prepared import request_of
from l7proxy.upstreams.http import RequestBody

CLIENT = "192.0.2.1"


def head(line: str = "GET /x HTTP/1.1", *fields: str) -> RequestHead:
    lines = [line, "Host: a.example", *fields, ""]
    parsed = RequestParser().parse("".join(f"{each}\r\n" for each in lines).encode())
    assert parsed is not None
    return parsed[0]


def test_the_core_gets_method_target_fields_and_client() -> None:
    request = request_of(head("PUT /x?y HTTP/1.1", "X-A: 1"), CLIENT)
    assert (request.method, request.target, request.client_ip) == ("PUT", "/x?y", CLIENT)
    assert list(request.headers) == [("Host", "a.example"), ("X-A", "1")]


@pytest.mark.parametrize(("line", "target"), [
    ("OPTIONS * HTTP/1.1", "*"),
    ("OPTIONS http://b.example HTTP/1.1", "*"),
    ("GET http://b.example/y HTTP/1.1", "http://b.example/y"),
    ("CONNECT b.example:80 HTTP/1.1", "b.example:80"),
])  # fmt: skip
def test_a_target_of_another_form_stays_what_it_is(line: str, target: str) -> None:
    assert request_of(head(line), CLIENT).target == target


@pytest.mark.parametrize(("said", "left", "target"), [
    ("5", 5, "/x"), ("0", 0, "*"), ("-1", None, "/x"), ("1" * 10, None, "/x"),
])  # fmt: skip
def test_options_that_no_server_may_pass_on_is_for_this_one(
    said: str, left: int | None, target: str
) -> None:
    request = request_of(head("OPTIONS /x HTTP/1.1", f"Max-Forwards: {said}"), CLIENT)
    assert (request.hops_left, request.target) == (left, target)
    assert request_of(head("GET /x HTTP/1.1", f"Max-Forwards: {said}"), CLIENT).hops_left is None


@pytest.mark.parametrize(("fields", "upgrade"), [
    (("Upgrade: websocket",), b"websocket"),
    (("Upgrade: h2c",), None),
    (("Upgrade: websocket, H2C",), b"websocket"),
    (("Upgrade: h2c, websocket",), b"websocket"),
    (("Upgrade: h2c-14,", "Upgrade: h2c, , echo/2,websocket"), b"echo/2, websocket"),
    (("Upgrade: h2c, h2c",), None),
    (("Upgrade: ,",), None),
    (("Upgrade: websocket", "Content-Length: 1"), None),
])  # fmt: skip
def test_an_upgrade_is_asked_for_unless_nobody_could_check_what_follows(
    fields: tuple[str, ...], upgrade: bytes | None
) -> None:
    request = request_of(head("GET /x HTTP/1.1", "Connection: upgrade", *fields), CLIENT)
    assert request.upgrade == upgrade


def test_the_same_client_with_the_same_head_has_the_same_request() -> None:
    bare = head()
    first = request_of(bare, CLIENT)
    assert request_of(bare, CLIENT) is first
    other = request_of(bare, "192.0.2.2")
    assert (other.client_ip, other.target) == ("192.0.2.2", "/x")
    assert first.client_ip == CLIENT


def test_a_request_with_a_body_is_a_new_one_each_time() -> None:
    full = head("POST /x HTTP/1.1", "Content-Length: 2")
    assert request_of(full, CLIENT) is not request_of(full, CLIENT)


def test_a_streamed_request_is_whole_when_its_body_is() -> None:
    whole: list[tuple[HttpRequest | None, float]] = []
    request = request_of(head("POST /x HTTP/1.1", "Content-Length: 2"), CLIENT)
    body = RequestBody(None, chunked=False, limit=10)
    request.stream(body, lambda: 7.0)
    request.when_buffered(lambda made, now: whole.append((made, now)), 1.0)
    assert whole == []
    body.add((b"ab",))
    body.end()
    ((made, now),) = whole
    assert made is not None
    assert (made.body, made.target, made.client_ip, now) == (b"ab", "/x", CLIENT, 7.0)


def test_a_request_without_a_body_is_whole_at_once() -> None:
    whole: list[tuple[HttpRequest | None, float]] = []
    request = request_of(head(), CLIENT)
    request.when_buffered(lambda made, now: whole.append((made, now)), 1.0)
    assert whole == [(request, 1.0)]


def test_what_is_believed_of_the_same_head_depends_on_who_sends_it() -> None:
    claiming = head("GET /x HTTP/1.1", "X-Forwarded-Proto: https", "X_Forwarded_For: 1.1.1.1")
    trusted = request_of(claiming, CLIENT, trusted=True)
    assert list(trusted.headers) == [("Host", "a.example"), ("X-Forwarded-Proto", "https")]
    assert request_of(claiming, CLIENT, trusted=True) is trusted
    other = request_of(claiming, CLIENT)
    assert list(other.headers) == [("Host", "a.example")]
    assert request_of(claiming, CLIENT) is other
