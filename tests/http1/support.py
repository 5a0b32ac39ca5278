"""Readers of whole connections, built on the parsers the way a server and a pool use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from l7proxy.http1 import (
    DEFAULT_LIMITS,
    TUNNEL,
    UNTIL_CLOSE,
    BadRequest,
    BadResponse,
    Limits,
    RequestHead,
    RequestParser,
    ResponseHead,
    ResponseParser,
    body_reader,
    check_interims,
    encode_chunk,
    last_chunk,
)

from .corpus import Accepted, BadGateway, Refused, Relayed, Tunnel, Waits

if TYPE_CHECKING:
    from l7proxy.http1.body import Body


def split(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """`data` in pieces, cut at the given places."""
    start = 0
    for cut in sorted(set(cuts)):
        yield data[start:cut]
        start = cut
    yield data[start:]


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def feed_all(reader: Body, data: bytes, start: int = 0) -> tuple[list[bytes], int]:
    """What `reader.feed` gives, called again as long as it has stopped before the data's end."""
    payload: list[bytes] = []
    while True:
        pieces, start = reader.feed(data, start)
        payload += map(bytes, pieces)
        if reader.complete or start == len(data):
            return payload, start


class Forwarded(NamedTuple):
    """One request as it was read, and the bytes a backend is sent for it."""

    head: RequestHead
    body: bytes
    trailers: bytes
    raw: bytes
    sent: bytes


def forward_all(data: bytes) -> list[Forwarded]:
    """Every request in `data`, which must hold nothing else. Raises BadRequest, ValueError."""
    parser = RequestParser()
    forwarded = []
    start = 0
    while start < len(data):
        parsed = parser.parse(data, start)
        if parsed is None:
            raise ValueError("incomplete head")
        head, end = parsed
        reader = body_reader(head.length)
        pieces, end = feed_all(reader, data, end)
        if not reader.complete:
            raise ValueError("incomplete body")
        body = b"".join(pieces)
        sent = head.line + head.forwardable + _framed(body, reader.trailers, head.length)
        forwarded.append(Forwarded(head, body, reader.trailers, data[start:end], sent))
        start = end
        if not head.keep_alive:
            break
    return forwarded


class Passed(NamedTuple):
    """A final response as it was read, the interim ones before it, and what a client is sent."""

    interim: list[ResponseHead]
    head: ResponseHead
    length: int
    body: bytes
    trailers: bytes
    raw: bytes
    sent: bytes


def pass_on(data: bytes, method: str) -> Passed:
    """What a client gets of a backend's `data`. Raises BadResponse, and ValueError for a tunnel."""
    parser = ResponseParser()
    interim = []
    start = 0
    while True:
        parsed = parser.parse(data, start)
        if parsed is None:
            raise BadResponse("closed inside the head")
        head, start = parsed
        if not head.interim:
            break
        interim.append(head)
    length = head.body_length(method)
    reader = body_reader(length, BadResponse)
    pieces, end = feed_all(reader, data, start)
    reader.end()
    body = b"".join(pieces)
    sent = b"".join(each.line + each.forwardable + b"\r\n" for each in interim)
    sent += head.line + head.forwardable + _framed(body, reader.trailers, length)
    return Passed(interim, head, length, body, reader.trailers, data[:end], sent)


def _framed(body: bytes, trailers: bytes, length: int) -> bytes:
    """A body as it is sent on, with the end of the head before it."""
    if length >= 0:
        return b"\r\n" + body
    chunks = b"".join([*encode_chunk([body]), last_chunk(trailers)])
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks


def read_requests(
    pieces: Iterable[bytes], limits: Limits = DEFAULT_LIMITS
) -> tuple[Accepted | Refused | Waits, ...]:
    """What a server makes of the pieces that come in on one connection."""
    parser = RequestParser(limits)
    outcomes: list[Accepted | Refused | Waits] = []
    buffer = b""
    scanned = 0
    head = reader = None
    body: list[bytes] = []
    try:
        for piece in pieces:
            buffer += piece
            while buffer:
                if head is None:
                    parsed = parser.parse(buffer, 0, scanned)
                    if parsed is None:
                        scanned = len(buffer)
                        break
                    head, end = parsed
                    reader = body_reader(head.length, BadRequest, limits)
                    body = []
                    buffer = buffer[end:]
                    scanned = 0
                assert reader is not None
                payload, end = feed_all(reader, buffer)
                body += payload
                buffer = buffer[end:]
                if not reader.complete:
                    break
                outcomes.append(
                    Accepted(head.method, head.path, b"".join(body), head.host, reader.trailers)
                )
                if not head.keep_alive:
                    return tuple(outcomes)
                head = None
    except BadRequest as bad:
        return (*outcomes, Refused(bad.status))
    if buffer or head is not None:
        outcomes.append(Waits())
    return tuple(outcomes)


def read_response(
    pieces: Iterable[bytes], method: str, upgrade: bool = False, limits: Limits = DEFAULT_LIMITS
) -> Relayed | BadGateway | Tunnel:
    """What a proxy makes of the pieces a backend sends before it closes the connection."""
    parser = ResponseParser(limits)
    buffer = b""
    scanned = interim = 0
    head = reader = None
    body: list[bytes] = []
    tunnel = False
    try:
        for piece in pieces:
            buffer += piece
            while buffer and not tunnel and not (reader and reader.complete):
                if head is None:
                    parsed = parser.parse(buffer, 0, scanned)
                    if parsed is None:
                        scanned = len(buffer)
                        break
                    head, end = parsed
                    buffer = buffer[end:]
                    scanned = 0
                    length = head.body_length(method, upgrade_asked=upgrade)
                    if head.interim:
                        interim += 1
                        check_interims(interim, limits)
                        head = None
                        continue
                    tunnel = length == TUNNEL
                    if tunnel:
                        break
                    reader = body_reader(length, BadResponse, limits)
                assert reader is not None
                payload, end = feed_all(reader, buffer)
                body += payload
                buffer = buffer[end:]
        if tunnel:
            return Tunnel(buffer)
        if head is None or reader is None:
            raise BadResponse("closed inside the head")
        reader.end()
    except BadResponse:
        return BadGateway()
    reusable = head.keep_alive and length != UNTIL_CLOSE and not buffer
    return Relayed(head.status, b"".join(body), interim, reusable, reader.trailers, len(buffer))
