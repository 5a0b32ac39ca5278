"""The head that a backend gets, piece by piece."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import Exchange, HttpRequest, Proxy, config_from
from l7proxy.core.config.routes import HeaderEditsConfig
from l7proxy.core.routing.actions import header_edits
from l7proxy.http1 import RequestHead, RequestParser
from l7proxy.upstreams.http.headers import WireHeaders
from l7proxy.upstreams.http.request_head import streamed_head, write_request_head

LINE = b"GET /x HTTP/1.1\r\n"
FIELDS = b"Host: a\r\nX-One:1\r\nmax-forwards: 5\r\n"
PAIRS = [("Host", "a"), ("X-One", "1"), ("max-forwards", "5")]
ABOUT = b"X-Forwarded-For: 192.0.2.1\r\n\r\n"


def lines(head: bytes) -> list[str]:
    *parts, end, rest = head.decode().split("\r\n")
    assert (end, rest) == ("", "")
    return parts


def test_what_is_not_to_change_is_written_as_it_came() -> None:
    assert write_request_head(LINE, FIELDS, ABOUT) == LINE + FIELDS + ABOUT
    assert write_request_head(LINE, FIELDS) == LINE + FIELDS + b"\r\n"


def test_names_and_values_become_lines() -> None:
    assert lines(write_request_head(LINE, PAIRS)) == [
        "GET /x HTTP/1.1", "Host: a", "X-One: 1", "max-forwards: 5",
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [FIELDS, PAIRS])
def test_each_piece_has_its_place(fields: Any) -> None:
    edits = header_edits(HeaderEditsConfig(remove=("x-one",), add={"X-Two": "2"}))
    head = write_request_head(
        LINE,
        fields,
        ABOUT,
        host="b",
        edits=edits,
        hops_left=5,
        framing=b"Content-Length: 1\r\n",
        upgrade=b"websocket",
    )
    assert lines(head) == [
        "GET /x HTTP/1.1", "Host: b", "X-Two: 2", "Max-Forwards: 4", "Content-Length: 1",
        "Connection: Upgrade", "Upgrade: websocket", "X-Forwarded-For: 192.0.2.1",
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [FIELDS, PAIRS])
def test_another_host_comes_first_and_the_rest_stays(fields: Any) -> None:
    written = lines(write_request_head(LINE, fields, host="b"))
    assert written[1] == "Host: b"
    assert [line.partition(":")[0] for line in written[2:]] == ["X-One", "max-forwards"]


def test_what_has_no_bytes_in_http_1_1_is_refused() -> None:
    with pytest.raises(ValueError, match="X"):
        write_request_head(LINE, [("X", "日本")])


def head(*parts: str) -> RequestHead:
    parsed = RequestParser().parse("".join(f"{part}\r\n" for part in (*parts, "")).encode())
    assert parsed is not None
    return parsed[0]


def exchange(request: RequestHead, **route: Any) -> Exchange:
    """What becomes of a request that takes a route to the backend `b:1`."""
    pools = {"p": {"backends": ["http://b:1"]}}
    routes = [{"path_pattern": "/*", "backend_pool": "p", **route}]
    proxy = Proxy(config_from({"backend_pools": pools, "routes": routes}), Random(0))
    headers = WireHeaders(request.block)
    return proxy.open(HttpRequest(request.method, request.path, headers), 0.0)


def sent(request: RequestHead, **route: Any) -> list[str]:
    return lines(streamed_head(exchange(request, **route), request, ABOUT, None, None))


def test_an_ordinary_head_loses_what_is_about_its_connection_alone() -> None:
    request = head("GET /x?y HTTP/1.1", "Host:a", "Connection: keep-alive", "Accept:  */*")
    assert sent(request) == [
        "GET /x?y HTTP/1.1", "Host:a", "Accept:  */*", "X-Forwarded-For: 192.0.2.1",
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "forwarded"), [
    ("/x", "/x"), ("/a/../x?/../", "/x?/../"), ("//x", "/x"), ("/%78?", "/x?"),
])  # fmt: skip
def test_a_path_is_sent_in_its_normal_form(path: str, forwarded: str) -> None:
    request = head(f"GET {path} HTTP/1.1", "Host: a")
    assert sent(request)[0] == f"GET {forwarded} HTTP/1.1"


def test_a_route_may_rewrite_path_and_host_and_edit_fields() -> None:
    request = head("GET /x/y?z HTTP/1.1", "Host: a", "X-One:1", "X-Two:2")
    rewrite = {"strip_prefix": "/x", "host": "c"}
    written = sent(request, rewrite=rewrite, request_headers={"set": {"X-Two": "3"}})
    assert written[:-1] == ["GET /y?z HTTP/1.1", "Host: c", "X-One: 1", "X-Two: 3"]
    assert sent(request, rewrite={"host": "a"})[1:3] == ["Host: a", "X-One:1"]


def test_a_request_that_names_no_host_is_for_that_of_the_backend() -> None:
    assert sent(head("GET / HTTP/1.0", "X: 1"))[:2] == ["GET / HTTP/1.1", "Host: b:1"]


def test_a_body_in_chunks_is_announced() -> None:
    request = head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "X: 1")
    assert sent(request)[1:4] == ["Host: a", "X: 1", "Transfer-Encoding: chunked"]
