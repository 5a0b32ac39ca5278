"""Requests written as a whole, responses taken as a whole."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import Exchange, Headers, HttpRequest, Proxy, config_from
from l7proxy.http1 import BadResponse, ResponseHead, ResponseParser
from l7proxy.upstreams.http.buffered import UNHURRIED, Buffered


def exchange(method: str = "GET", *fields: tuple[str, str], **more: Any) -> Exchange:
    route: dict[str, Any] = {"path_pattern": "/*", "backend_pool": "p", **more.pop("route", {})}
    pools = {"p": {"backends": ["a:1"]}}
    config: dict[str, Any] = {"backend_pools": pools, "routes": [route]}
    config["server"] = {"trusted_proxies": ["2.2.2.128/25"]}
    proxy = Proxy(config_from(config), Random(0))
    return proxy.open(HttpRequest(method, "/x?y", Headers(fields), **more), 0.0)


def written(*arguments: Any, **more: Any) -> list[str]:
    """The lines of a request's head."""
    made = exchange(*arguments, **more)
    whole = Buffered(made, keep=True)
    data = whole.request_head(made)
    assert whole.request_head(made) is data
    *lines, end, rest = data.decode().split("\r\n")
    assert (end, rest) == ("", "")
    return lines


def response(*fields: str) -> ResponseHead:
    text = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", *fields, ""))
    parsed = ResponseParser().parse(text.encode())
    assert parsed is not None
    return parsed[0]


def test_a_request_gets_a_host_unless_it_has_one() -> None:
    assert written() == ["GET /x?y HTTP/1.1", "Host: a:1"]
    assert written("GET", ("host", "b")) == ["GET /x?y HTTP/1.1", "host: b"]


def test_what_is_about_one_connection_stays_behind() -> None:
    fields = (
        ("Connection", "X-One, close"), ("X-One", "1"), ("X-Two", "2"),
        ("Transfer-Encoding", "chunked"), ("Connection", "x-three"), ("X-Three", "3"),
    )  # fmt: skip
    assert written("GET", *fields) == ["GET /x?y HTTP/1.1", "Host: a:1", "X-Two: 2"]


def test_connection_cannot_remove_what_the_backend_relies_on() -> None:
    fields = (("Host", "b"), ("Connection", "Host, Cookie"), ("Cookie", "x=y"))
    assert written("GET", *fields) == ["GET /x?y HTTP/1.1", "Host: b", "Cookie: x=y"]


def test_nothing_is_called_a_length_or_coding_but_for_an_underscore() -> None:
    fields = (("Content_Length", "5"), ("Transfer_Encoding", "chunked"), ("X_Y", "1"))
    assert written("GET", *fields)[2:] == ["X_Y: 1"]


def test_what_a_trusted_proxy_says_of_its_side_can_be_overwritten() -> None:
    fields = (("X-Forwarded-For", "1.1.1.1"), ("x-forwarded-host", "b"), ("Forwarded", "for=b"))
    made = exchange("GET", *fields, client_ip="2.2.2.200")
    kept, overwritten = (
        Buffered(made, keep=True, overwrite=overwrite)
        .request_head(made)
        .decode()
        .split("\r\n")[2:-2]
        for overwrite in (False, True)
    )
    assert kept == [f"{name}: {value}" for name, value in fields]
    assert overwritten == ["X-Forwarded-For: 1.1.1.1"]


@pytest.mark.parametrize("hosts", [("b", "c"), ("b", "b"), ("b c",), ("b/x",), ("日本",), ("",)])
def test_a_request_for_more_or_less_than_one_host_never_gets_here(hosts: tuple[str, ...]) -> None:
    made = exchange("GET", *(("Host", host) for host in hosts))
    assert made.backend is None
    assert made.local_reply is not None and made.local_reply.status == 400
    assert "host" in made.local_reply.text.lower()


@pytest.mark.parametrize(("method", "body", "length"), [
    ("GET", b"", None), ("GET", b"abc", "3"), ("POST", b"", "0"), ("DELETE", b"", None),
])  # fmt: skip
def test_a_length_is_told_where_there_is_or_could_be_a_body(
    method: str, body: bytes, length: str | None
) -> None:
    lengths = [line for line in written(method, body=body) if line.startswith("Content-Length")]
    assert lengths == ([] if length is None else [f"Content-Length: {length}"])


def test_cookies_of_their_own_become_a_field() -> None:
    assert written(cookies={"a": "1", "b": "2"})[2:] == ["Cookie: a=1; b=2"]


def test_there_is_one_cookie_field_with_those_first_that_win() -> None:
    fields = (("Cookie", "a=0; c=3"), ("A", "1"), ("cookie", "d=4"))
    lines = written("GET", *fields, cookies={"a": "1", "b": "2"})
    assert lines[2:] == ["A: 1", "Cookie: a=1; b=2; a=0; c=3; d=4"]


def test_a_route_has_the_last_word_on_what_is_overwritten() -> None:
    for edits, lines in (
        ({"set": {"X-Forwarded-For": "hidden"}}, ["X-Forwarded-For: hidden"]),
        ({"remove": ["X-Forwarded-For"]}, []),
        ({"set": {"Cookie": "c=3"}}, ["X-Forwarded-For: 2.2.2.2", "Cookie: c=3"]),
    ):
        route = {"request_headers": edits}
        made = exchange("GET", ("X-Forwarded-For", "1.1.1.1"), client_ip="2.2.2.2", route=route)
        whole = Buffered(made, keep=False, overwrite=True)
        assert whole.request_head(made).decode().split("\r\n")[2:-2] == lines


def test_a_field_that_has_no_bytes_in_http_1_1_is_refused() -> None:
    with pytest.raises(ValueError, match="X"):
        written("GET", ("X", "日本"))


def test_a_response_is_kept_with_what_its_route_makes_of_it() -> None:
    edits = {"response_headers": {"set": {"X-Edge": "1"}, "remove": ["X-Gone"]}}
    made = exchange(route=edits)
    whole = Buffered(made, keep=True, limit=4)
    head = response("X-A: 1", "X-Gone: 1", "Content-Length: 4")
    whole.response_head(made, head, 4, UNHURRIED)
    whole.response_data((b"ab", memoryview(b"c")))
    whole.response_data((b"d",))
    whole.response_end(b"")
    assert made.response is not None
    assert (made.response.status, made.response.body) == (200, b"abcd")
    assert list(made.response.headers or ()) == [
        ("X-A", "1"), ("Content-Length", "4"), ("X-Edge", "1"),
    ]  # fmt: skip


def test_a_body_larger_than_the_limit_is_garbage() -> None:
    made = exchange()
    whole = Buffered(made, keep=True, limit=4)
    whole.response_head(made, response(), -1, UNHURRIED)
    whole.response_data((b"abcd",))
    with pytest.raises(BadResponse, match="too large"):
        whole.response_data((b"e",))


def test_a_response_that_nobody_wants_may_be_of_any_size() -> None:
    made = exchange()
    before = made.response
    whole = Buffered(made, keep=False)
    whole.response(made, response("Content-Length: 4"), b"abcd")
    assert made.response is before
