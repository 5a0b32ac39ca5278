from __future__ import annotations

import pytest

from l7proxy.http1 import (
    CHUNKED,
    TUNNEL,
    UNTIL_CLOSE,
    BadResponse,
    Limits,
    ResponseHead,
    ResponseParser,
)


def parse(data: bytes) -> ResponseHead:
    parsed = ResponseParser().parse(data)
    assert parsed is not None
    assert parsed[1] == len(data)
    return parsed[0]


def test_a_response_is_sent_on_as_it_came_but_for_hop_by_hop_fields() -> None:
    head = parse(
        b"HTTP/1.0 200 Fine\r\nServer: x\r\nConnection: keep-alive, X-P\r\nX-P: 1\r\n"
        b"Keep-Alive: 5\r\nContent-Length: 2\r\nDate: now\r\nVia: 1.1 b\r\n\r\n"
    )
    assert (head.status, head.reason, head.minor, head.interim) == (200, b"Fine", 0, False)
    assert head.line == b"HTTP/1.1 200 Fine\r\n"
    assert head.forwardable == b"Server: x\r\nContent-Length: 2\r\nDate: now\r\nVia: 1.1 b\r\n"
    assert head.keep_alive
    assert head.fields.has_date
    assert head.fields.get("server") == b"x"


@pytest.mark.parametrize(
    ("framing", "is_kept"),
    [
        (b"Content-Length: 0\r\n", True),
        (b"Content-Length: 2\r\n", False),
        (b"Transfer-Encoding: chunked\r\n", False),
    ],
)
@pytest.mark.parametrize("status", [100, 103, 204])
def test_a_length_that_must_not_be_there_is_not_sent_on(
    status: int, framing: bytes, is_kept: bool
) -> None:
    head = parse(b"HTTP/1.1 %d Odd\r\n%bX: 1\r\n\r\n" % (status, framing))
    assert head.forwarded == b"HTTP/1.1 %d Odd\r\nX: 1\r\n\r\n" % status
    assert head.length == 0
    assert head.keep_alive is is_kept
    assert not head.fields.has_date


def test_what_to_upgrade_to_is_sent_on_where_that_is_required() -> None:
    fields = b"Connection: upgrade\r\nUpgrade: TLS/1.3\r\nUpgrade: h2c\r\nContent-Length: 0\r\n"
    for status, offer in ((426, b"Connection: Upgrade\r\nUpgrade: TLS/1.3, h2c\r\n"), (400, b"")):
        head = parse(b"HTTP/1.1 %d No\r\n%b\r\n" % (status, fields))
        assert head.forwarded == (
            b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n%b\r\n" % (status, offer)
        )


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        (b"Content-Length: 7\r\n", 7),
        (b"Transfer-Encoding: chunked\r\n", CHUNKED),
        (b"", UNTIL_CLOSE),
    ],
)
def test_the_length_of_a_body_depends_on_the_method(fields: bytes, length: int) -> None:
    head = parse(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")
    assert head.length == length
    assert head.body_length("GET") == length
    assert head.body_length("HEAD") == 0
    assert head.body_length("CONNECT") == TUNNEL


def test_switching_protocols_makes_a_tunnel_if_it_was_asked_for() -> None:
    head = parse(b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert not head.interim
    assert head.fields.upgrade == b"websocket"
    assert head.body_length("GET", upgrade_asked=True) == TUNNEL
    with pytest.raises(BadResponse, match="asked for no upgrade"):
        head.body_length("HEAD")


def test_interim_responses_are_marked() -> None:
    assert parse(b"HTTP/1.1 103 Early Hints\r\n\r\n").interim


def test_the_same_bytes_give_the_same_head_object_from_the_second_time_on() -> None:
    parser = ResponseParser()
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    parser.parse(data)
    first, second = parser.parse(data), parser.parse(data + data, len(data))
    assert first is not None
    assert second is not None
    assert first[0] is second[0]
    forgetful = ResponseParser(remember=0)
    forgetful.parse(data)
    first, second = forgetful.parse(data), forgetful.parse(data)
    assert first is not None
    assert second is not None
    assert first[0] is not second[0]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 " + b"x" * 30 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\r\nY: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 90 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 90,
    ],
)
def test_limits_hold(data: bytes) -> None:
    with pytest.raises(BadResponse):
        ResponseParser(Limits(head=100, line=30, fields=1)).parse(data)
