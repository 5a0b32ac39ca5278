"""Responses as the bytes that one client gets."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from l7proxy.core.config import config_from
from l7proxy.core.http.local_reply import NO_ROUTE
from l7proxy.core.http.messages import HttpResponse
from l7proxy.core.routing.actions import HeaderEdits, header_edits
from l7proxy.http1 import CHUNKED, UNTIL_CLOSE, RequestHead, RequestParser, ResponseHead
from l7proxy.http1 import ResponseParser as Parser
from l7proxy.server.response_writer import ResponseWriter
from l7proxy.upstreams.http.write_batcher import WriteBatcher

DATE = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"


class Client(asyncio.Transport):
    """A client's end, and what it has heard."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.heard.append(bytes(data))

    def said(self) -> bytes:
        heard, self.heard = self.heard, []
        return b"".join(heard)


class Loop:
    """Calls nothing before it is told to."""

    def __init__(self) -> None:
        self.soon: list[object] = []

    def call_soon(self, callback: object) -> None:
        self.soon.append(callback)


class Flow:
    """A backend's response, which can be told to wait."""

    def __init__(self) -> None:
        self.is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def writer(client: Client) -> ResponseWriter:
    return ResponseWriter(client, WriteBatcher(cast("asyncio.AbstractEventLoop", Loop())))


def edits(**fields: str) -> HeaderEdits:
    """The edits of a route that sets these fields."""
    route = {"path_pattern": "/*", "backend_pool": "p", "response_headers": {"set": fields}}
    config = config_from({"backend_pools": {"p": {"backends": ["a:1"]}}, "routes": [route]})
    assert config.routes is not None
    (made,) = config.routes
    assert made.response_headers is not None
    return header_edits(made.response_headers)


def request(minor: int = 1) -> RequestHead:
    parsed = RequestParser().parse(b"GET / HTTP/1.%d\r\nHost: a\r\n\r\n" % minor)
    assert parsed is not None
    return parsed[0]


def head(*fields: bytes) -> ResponseHead:
    block = b"".join(field + b"\r\n" for field in fields)
    parsed = Parser().parse(b"HTTP/1.1 200 OK\r\n%b%b\r\n" % (DATE, block))
    assert parsed is not None
    return parsed[0]


def test_a_short_whole_response_goes_out_with_what_others_have_to_say(
    client: Client, writer: ResponseWriter
) -> None:
    writer.response(request(), head(b"Content-Length: 2"), None, b"ok", last=False)
    assert (client.said(), writer.unsent) == (b"", [])
    writer.release()
    assert client.said() == b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 2\r\n\r\nok"
    assert (writer.status, writer.sent, writer.last) == (200, 2, False)


def test_a_long_whole_response_waits_to_be_flushed_and_goes_out_in_pieces(
    client: Client, writer: ResponseWriter
) -> None:
    payload = bytes(100_000)
    writer.response(request(), head(), None, payload, last=True)
    assert client.heard == []
    writer.flush()
    assert [len(piece) for piece in client.heard][1:] == [100_000]
    assert client.heard[0].endswith(b"\r\nConnection: close\r\n\r\n")
    assert writer.sent == 100_000


@pytest.mark.parametrize(("minor", "last", "line"), [
    (1, False, b""),
    (1, True, b"Connection: close\r\n"),
    (0, False, b"Connection: keep-alive\r\n"),
    (0, True, b"Connection: close\r\n"),
])  # fmt: skip
def test_the_client_is_told_whether_the_connection_stays(
    client: Client, writer: ResponseWriter, minor: int, last: bool, line: bytes
) -> None:
    writer.response(request(minor), head(), None, b"", last=last)
    writer.release()
    assert client.said() == b"HTTP/1.1 200 OK\r\n" + DATE + line + b"\r\n"


def test_what_is_derived_from_a_head_is_for_those_that_nothing_is_added_for(
    client: Client, writer: ResponseWriter
) -> None:
    shared = head()
    plain = b"HTTP/1.1 200 OK\r\n" + DATE + b"\r\n"
    writer.response(request(), shared, None, b"", last=False)
    writer.response(request(0), shared, None, b"", last=False)
    writer.via = b"Via: 1.1 us\r\n"
    writer.response(request(), shared, None, b"", last=False)
    writer.via = b""
    writer.response(request(), shared, edits(A="1"), b"", last=False)
    writer.response(request(), shared, None, b"", last=False)
    writer.release()
    assert client.heard == [
        plain,
        b"HTTP/1.1 200 OK\r\n" + DATE + b"Connection: keep-alive\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + DATE + b"Via: 1.1 us\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + DATE + b"A: 1\r\n\r\n",
        plain,
    ]


def test_a_response_without_a_date_gets_the_present_one(
    client: Client, writer: ResponseWriter
) -> None:
    parsed = Parser().parse(b"HTTP/1.1 200 OK\r\n\r\n")
    assert parsed is not None
    writer.response(request(), parsed[0], None, b"", last=False)
    writer.release()
    assert client.said().startswith(b"HTTP/1.1 200 OK\r\nDate: ")


def test_a_response_of_unknown_length_is_chunked(client: Client, writer: ResponseWriter) -> None:
    writer.begin(request(), head(), None, CHUNKED, Flow(), last=False)
    writer.data((b"abc", b"de"))
    writer.data((b"f",))
    writer.end(b"X-Sum: 7\r\n")
    writer.flush()
    assert client.said().endswith(
        b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n1\r\nf\r\n0\r\nX-Sum: 7\r\n\r\n"
    )
    assert (writer.sent, writer.last) == (6, False)


def test_to_a_client_without_chunks_it_is_the_connections_last(
    client: Client, writer: ResponseWriter
) -> None:
    writer.begin(request(0), head(), None, UNTIL_CLOSE, Flow(), last=False)
    writer.data((b"abc",))
    writer.end(b"")
    writer.flush()
    assert client.said().endswith(b"\r\nConnection: close\r\n\r\nabc")
    assert writer.last


def test_what_is_cut_short_goes_out_but_for_where_an_end_would_look_like_success(
    client: Client, writer: ResponseWriter
) -> None:
    writer.begin(request(), head(b"Content-Length: 9"), None, 9, Flow(), last=False)
    writer.data((b"abc",))
    assert not writer.cut_short()
    assert client.said().endswith(b"\r\n\r\nabc")
    writer.begin(request(0), head(), None, UNTIL_CLOSE, Flow(), last=False)
    writer.data((b"abc",))
    assert writer.cut_short()
    assert client.said() == b""


def test_a_response_waits_for_a_client_that_reads_too_slowly(writer: ResponseWriter) -> None:
    flow = Flow()
    writer.pause()
    writer.begin(request(), head(), None, CHUNKED, flow, last=False)
    assert (writer.backlogged, flow.is_paused) == (True, True)
    writer.resume()
    assert (writer.backlogged, flow.is_paused) == (False, False)
    writer.pause()
    assert flow.is_paused
    writer.end(b"")
    writer.resume()
    # What has ended is nothing to tell to go on: its connection may have another request by now.
    assert flow.is_paused


def test_an_answer_of_the_proxys_own_goes_out_at_once(
    client: Client, writer: ResponseWriter
) -> None:
    writer.local(HttpResponse(404), NO_ROUTE, request(), last=True)
    said = client.said()
    assert said.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert said.endswith(b"\r\n\r\n404 Not Found: no route matches\n")
    assert (writer.status, writer.last) == (404, True)
    assert writer.sent == len(said.partition(b"\r\n\r\n")[2])


def test_interim_responses_and_tunnels_go_out_at_once(
    client: Client, writer: ResponseWriter
) -> None:
    writer.proceed()
    assert client.said() == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.interim(head(b"Link: </a>"))
    assert client.said() == b"HTTP/1.1 200 OK\r\n" + DATE + b"Link: </a>\r\n\r\n"
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    parsed = Parser().parse(switch)
    assert parsed is not None
    writer.switch(parsed[0], Flow())
    assert client.said() == switch.replace(b"upgrade", b"Upgrade")
    writer.tunnelled(b"abc")
    assert (client.said(), writer.status, writer.sent) == (b"abc", 101, 3)


def test_a_closed_writer_writes_only_what_was_on_its_way(
    client: Client, writer: ResponseWriter
) -> None:
    writer.response(request(), head(), None, b"ok", last=False)
    writer.close()
    assert client.said().endswith(b"ok")
    writer.tunnelled(b"late")
    assert client.heard == []
