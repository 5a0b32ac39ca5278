"""The corpus over real sockets: what a whole proxy makes of it, in one write and byte by byte.

Whatever reaches the backend is read by two other parsers, and must be to both of them just the
messages that the corpus says. Nothing ambiguous is ever forwarded.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import h11
import pytest

from l7proxy.core.config import config_from
from tests.http1.corpus import (
    Accepted,
    BadGateway,
    Refused,
    Relayed,
    RequestCase,
    ResponseCase,
    Tunnel,
)
from tests.http1.corpus.requests import CASES as REQUESTS
from tests.http1.corpus.responses import CASES as RESPONSES
from tests.http1.peers import PEERS, UnreadableError

from .support import (
    HALF_CLOSED,
    BackendTalk,
    Client,
    FakeBackend,
    Running,
    conversation,
    pool_config,
    serving,
    until,
)

each_request = pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
each_response = pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)


class RecordingNode(FakeBackend):
    """Answers whatever h11 takes for a request, and keeps the bytes of each."""

    def __init__(self) -> None:
        super().__init__(self._talk)
        self.messages: list[bytes] = []
        self.unfinished: list[bytes] = []

    async def _talk(self, talk: BackendTalk) -> None:
        while True:
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
            raw, method = b"", b""
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    data = await talk.reader.read(1 << 16)
                    if not data:
                        if raw:
                            self.unfinished.append(raw)
                        return
                    raw += data
                    connection.receive_data(data)
                elif isinstance(event, h11.Request):
                    method = event.method
                elif isinstance(event, h11.EndOfMessage):
                    break
            self.messages.append(raw)
            body = b"" if method == b"HEAD" else b"ok"
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)


async def send(client: Client, data: bytes, *, bytewise: bool) -> None:
    """Says it; byte by byte means that the proxy reads each byte by itself."""
    if not bytewise:
        client.writer.write(data)
        return
    for index in range(len(data)):
        client.writer.write(data[index : index + 1])
        await asyncio.sleep(0)
        if client.writer.is_closing() or client.reader.at_eof():
            break


def statuses(data: bytes, methods: list[str]) -> list[int]:
    """The final statuses of the responses in `data`, in answer to these methods."""
    found: list[int] = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        if status < 200:
            continue
        method = methods[len(found)] if len(found) < len(methods) else ""
        found.append(status)
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:") and method != "HEAD":
                data = data[int(line[15:]) :]
    return found


NORMAL = {"/%41%2e": "/A."}
"""Paths that are sent on in normal form (RFC 3986, 6.2.2)."""
FOR_THE_SERVER = {"options-star", "options-absolute"}
"""What names no path: the proxy answers it itself."""


def as_seen(message: bytes) -> Any:
    """What both peers say the message is; they must say the same."""
    readings = []
    for name, read in PEERS.items():
        try:
            readings.append([(m.method, m.target, m.body) for m in read(message)])
        except UnreadableError as error:
            if name == "h11" or "InvalidMethod" not in str(error):
                raise
    assert all(reading == readings[0] and len(reading) == 1 for reading in readings), message
    return readings[0][0]


@each_request
@conversation
async def test_a_request_has_the_outcome_that_the_corpus_says(case: RequestCase) -> None:
    recording_node = RecordingNode()
    async with serving(recording_node, server=HALF_CLOSED) as proxy:
        pools = {"api": pool_config(recording_node)}
        routes = [{"path_pattern": "/*", "backend_pool": "api"}]
        paths = {"merge_slashes": False}
        config = {"backend_pools": pools, "routes": routes, "paths": paths, "server": HALF_CLOSED}
        proxy.server.reload(config_from(config))
        for bytewise in (False, True):
            recording_node.messages.clear()
            recording_node.unfinished.clear()
            heard = await outcome(proxy, case, bytewise=bytewise)
            check(case, heard, recording_node)
        assert proxy.in_flight == 0


async def outcome(proxy: Running, case: RequestCase, *, bytewise: bool) -> bytes:
    """Everything that a client hears who says what the case says and then no more."""
    client = await proxy.connect()
    try:
        await send(client, case.data, bytewise=bytewise)
        if not client.writer.is_closing():
            client.writer.write_eof()
    except OSError:
        pass
    return await client.until_close()


def check(case: RequestCase, heard: bytes, recording_node: RecordingNode) -> None:
    if case.name in FOR_THE_SERVER:
        assert statuses(heard, ["OPTIONS"]) == [200] and not recording_node.messages
        return
    accepted = [one for one in case.expect if isinstance(one, Accepted)]
    expected = [200] * len(accepted)
    expected += [one.status for one in case.expect if isinstance(one, Refused)]
    assert statuses(heard, [one.method for one in accepted]) == expected, case.why
    seen = [as_seen(message) for message in recording_node.messages]
    meant = [(a.method, NORMAL.get(a.path, a.path), a.body) for a in accepted]
    assert seen == [(m.encode(), path.encode(), body) for m, path, body in meant], case.why
    for message, one in zip(recording_node.messages, accepted, strict=True):
        if one.host:
            head = message.partition(b"\r\n\r\n")[0] + b"\r\n"
            (host,) = re.findall(rb"\r\nhost:[ \t]*([^\r]*?)[ \t]*\r\n", head, re.IGNORECASE)
            assert host.decode() == one.host
        if one.trailers:
            assert one.trailers.lower() in message.lower()


class Scripted(FakeBackend):
    """Reads a request, says what a case says, and closes."""

    def __init__(self, case: ResponseCase, *, bytewise: bool) -> None:
        async def script(talk: BackendTalk) -> None:
            if await talk.head():
                await send(Client(talk.reader, talk.writer), case.data, bytewise=bytewise)

        super().__init__(script)


STRICT: dict[str, Any] = {"retries": {"attempts": 1}, "http": {"strict_backends": True}}
ASKED = "{} /api HTTP/1.1\r\nHost: a.example\r\n{}\r\n"
UPGRADE = "Connection: upgrade\r\nUpgrade: websocket\r\n"


@each_response
@conversation
async def test_a_response_has_the_outcome_that_the_corpus_says(case: ResponseCase) -> None:
    if case.method == "CONNECT":
        return
    for bytewise in (False, True):
        backend = Scripted(case, bytewise=bytewise)
        async with serving(backend, server=HALF_CLOSED, **STRICT) as proxy:
            client = await proxy.connect()
            await client.say(ASKED.format(case.method, UPGRADE if case.upgrade else "").encode())
            if not isinstance(case.expect, Tunnel):
                client.writer.write_eof()
            heard = await client.until_close()
            judge(case, heard)
            client.close()
            await until(lambda: proxy.in_flight == 0)


def judge(case: ResponseCase, heard: bytes) -> None:
    """Whether the client heard what the case says, as a strict reader understands it."""
    expect = case.expect
    if isinstance(expect, Tunnel):
        assert heard.startswith(b"HTTP/1.1 101 ") and heard.endswith(b"\r\n\r\n" + expect.data)
        return
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    reader.send(h11.Request(method=case.method, target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(heard)
    reader.receive_data(b"")
    status, interim, body, complete = 0, 0, b"", False
    try:
        while not complete:
            event = reader.next_event()
            if isinstance(event, h11.InformationalResponse):
                interim += 1
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                complete = True
            else:
                break
    except h11.RemoteProtocolError:
        pass
    assert not reader.trailing_data[0] or not complete, "more than one response"
    if isinstance(expect, BadGateway):
        assert status == 502 if complete else True, (case.why, heard)
    else:
        assert isinstance(expect, Relayed)
        assert complete and (status, body) == (expect.status, expect.body), case.why
        if b"100 Continue" not in case.data:
            assert interim == expect.interim
        assert expect.trailers in heard
