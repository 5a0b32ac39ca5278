"""The head of a request: request line, fields, and what the two say together."""

from __future__ import annotations

import re

from l7proxy.core.http.head import (
    BAD_TARGET,
    CONTENT_IN_CONNECT,
    CONTROL_IN_METHOD,
    CONTROL_IN_NAME,
    control_in_value,
    find_line_fault,
)
from l7proxy.http1.errors import BadRequest
from l7proxy.http1.fields import (
    CHUNKED,
    UNSTATED,
    drop_fields,
    parse_request_fields,
    quote,
)
from l7proxy.http1.grammar import (
    TARGET,
    TOKEN,
    describe_forbidden,
    escape_octets,
    find_forbidden,
    is_authority,
    is_authority_with_port,
    text_of,
)
from l7proxy.http1.heads import HeadParser
from l7proxy.http1.limits import DEFAULT_LIMITS
from l7proxy.http1.memo import Memo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from l7proxy.http1.fields import RequestFields
    from l7proxy.http1.limits import Limits

_match_line = re.compile(rb"(" + TOKEN + rb") (" + TARGET + rb") HTTP/1\.([01])\r\n").match
_match_absolute = re.compile(rb"(?i:https?)://([^/?]*+)(.*+)", re.DOTALL).fullmatch

_HOST = frozenset((b"host",))


class RequestHead:
    """One valid request head. Immutable, and shared by all requests with the same bytes.

    `method`: as sent; methods are case-sensitive tokens.
    `target`: the request target as sent.
    `path`: what to route on and to send on: the origin form (path and query) of the target, with
        octets beyond ASCII percent-encoded; "*" for OPTIONS on the server as a whole, "" for
        CONNECT.
    `host`: the authority asked for, "" only in an HTTP/1.0 request that names none. An absolute
        or authority-form target wins over the Host field (RFC 9112 3.2.2).
    `minor`: 0 or 1, of HTTP/1.x.
    `fields`: the header fields, `fields.host` among them as it was sent.
    `forwardable`: `fields.forwardable`, with Host made to agree with `host` (no Host where `host`
        is ""; a request sent on as HTTP/1.1 needs one).
    `line`: the request line to send on, origin form and HTTP/1.1, with its CRLF.
    `length`: the body's bytes, or CHUNKED.
    `keep_alive`: whether the client lets the connection live on after this request.
    `upgrade`: the protocol the client wants to change to, or None. An HTTP/1.0 client has no say
        in this (RFC 9110 7.8), nor can it wait for an interim response:
    `expect_continue`: whether the client waits for 100 (Continue) before it sends the body.
    `derived`: for the caller: whatever follows from this head alone and is worth keeping with it.
    """

    __slots__ = (
        "derived",
        "expect_continue",
        "fields",
        "forwardable",
        "host",
        "keep_alive",
        "length",
        "line",
        "method",
        "minor",
        "path",
        "target",
        "upgrade",
    )

    method: str
    target: bytes
    path: str
    host: str
    minor: int
    fields: RequestFields
    forwardable: bytes
    line: bytes
    length: int
    keep_alive: bool
    upgrade: bytes | None
    expect_continue: bool
    derived: Any

    def without(self, names: frozenset[bytes]) -> bytes:
        """`forwardable` without the fields called `names` (in lower case)."""
        if self.forwardable is self.fields.forwardable:
            return self.fields.without(names)
        return drop_fields(self.forwardable, names)


class RequestParser(HeadParser[RequestHead]):
    """Parses request heads; one empty line before the request line is skipped (RFC 9112 2.2)."""

    __slots__ = ("_fields", "known")

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, remember: int = 512) -> None:
        """`remember`: how many heads, and how many field blocks, are remembered at most."""
        super().__init__(limits, remember=remember)
        self._fields: Memo[RequestFields] = Memo(remember)
        self.known: Callable[[bytes], RequestHead | None] = self._heads.get
        """The head that is exactly these bytes, if it was parsed lately; else None."""

    def _parse_new(self, raw: bytes) -> RequestHead:
        if raw.startswith(b"\r\n"):
            raw = raw[2:]
            if len(raw) <= 2:
                raise BadRequest("more than one empty line before the request line; send none")
        limits = self._limits
        try:
            if len(raw) > limits.line:
                if raw.find(b"\r\n", 0, limits.line + 2) < 0:
                    raise _line_too_long(limits)
                if len(raw) > limits.head:
                    raise _head_too_large(limits)
            match = _match_line(raw)
            if match is None:
                raise _bad_line(raw)
            block = raw[match.end() : -2]
            fields = self._fields.get(block)
            if fields is None:
                if (count := block.count(b"\n")) > limits.fields:
                    raise BadRequest(f"{count} fields; at most {limits.fields} are taken", 431)
                fields = parse_request_fields(block)
                self._fields.remember(block, fields)
            head = _join(match, fields)
        except BadRequest:
            # Whoever reads byte by byte meets the first fault of the head first, and so it has
            # to be the one that counts.
            self._refuse_early(raw, 0, 0)
            raise
        self._heads.remember(raw, head)
        return head

    def _refuse_early(self, data: bytes, start: int, scanned: int) -> None:
        """Raise for what has come of a head if it cannot become valid, first fault first."""
        if data.startswith(b"\r\n", start):
            start += 2
        limits = self._limits
        stop = len(data)
        bad = find_forbidden(data, max(start, scanned - 1), min(stop, start + limits.head))
        line_end = data.find(b"\r\n", start, start + limits.line + 2)
        if line_end < 0:
            line_stop = start + limits.line + 2
            if bad is not None and bad.end() <= line_stop:
                raise _forbidden(data, start, bad)
            if stop >= line_stop:
                raise _line_too_long(limits)
        else:
            if bad is not None and bad.start() < line_end:
                raise _forbidden(data, start, bad)
            if line_end + 2 > scanned:
                line = data[start : line_end + 2]
                match = _match_line(line)
                if match is None:
                    raise _bad_line(line)
                _resolve(match[1], match[2])
        if bad is not None:
            raise _forbidden(data, start, bad)
        if stop - start > limits.head:
            raise _head_too_large(limits)


def _join(match: re.Match[bytes], fields: RequestFields) -> RequestHead:
    """The head of a request line and its fields, where the two agree (RFC 9112 3.2, 6.3)."""
    head = RequestHead()
    method, target, minor = match.groups()
    head.method = method.decode("ascii")
    head.target = target
    head.fields = fields
    head.forwardable = fields.forwardable
    head.derived = None
    host = fields.host
    if target[0] == 0x2F and method != b"CONNECT":
        path = target
    else:
        path, authority = _resolve(method, target)
        if authority is not None:
            if authority != host:
                head.forwardable = b"Host: %b\r\n%b" % (authority, fields.without(_HOST))
            host = authority
    if not path.isascii():
        path = escape_octets(path)
    head.path = path.decode("ascii")
    if minor == b"1":
        head.minor = 1
        head.upgrade = fields.upgrade
        head.expect_continue = fields.expect_continue
        head.keep_alive = b"close" not in fields.connection
        head.line = match[0] if path is target else b"%b %b HTTP/1.1\r\n" % (method, path)
        if fields.host is None:
            raise BadRequest("no Host field; an HTTP/1.1 request must have one")
    else:
        head.minor = 0
        head.upgrade = None
        head.expect_continue = False
        head.keep_alive = b"keep-alive" in fields.connection and b"close" not in fields.connection
        head.line = b"%b %b HTTP/1.1\r\n" % (method, path)
        if fields.length == CHUNKED:
            raise BadRequest("Transfer-Encoding in an HTTP/1.0 request; send Content-Length")
    head.host = "" if host is None else host.decode("ascii")
    head.length = 0 if fields.length == UNSTATED else fields.length
    if method == b"CONNECT" and head.length != 0:
        raise BadRequest(CONTENT_IN_CONNECT)
    return head


def _resolve(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """A valid target's origin form, and the authority it names (RFC 9112 3.2)."""
    if method == b"CONNECT":
        if is_authority_with_port(target) is None:
            raise _line_fault(method, target)
        return b"", target
    if target[0] == 0x2F:
        return target, None
    if target == b"*" and method == b"OPTIONS":
        return target, None
    match = _match_absolute(target)
    if match is None or is_authority(match[1]) is None:
        raise _line_fault(method, target)
    authority, path = match.groups()
    if not path and method == b"OPTIONS":
        return b"*", authority
    return path if path[:1] == b"/" else b"/" + path, authority


def _line_fault(method: bytes, target: bytes) -> BadRequest:
    """The refusal of a request line that has a fault in its method or target."""
    fault = find_line_fault(text_of(method), text_of(target))
    assert fault is not None
    return BadRequest(fault)


def _bad_line(raw: bytes) -> BadRequest:
    line = raw[: raw.find(b"\r\n") + 2]
    if _match_line(re.sub(rb"HTTP/[0-9]\.[0-9]\r\n\Z", b"HTTP/1.1\r\n", line)) is not None:
        return BadRequest(f"the request line is {quote(line[:-2])}; speak HTTP/1.1 or 1.0", 505)
    # What is between the first space and the last is the target, whatever else is wrong with it.
    start, space, version = line[:-2].rpartition(b" ")
    method, between, target = start.partition(b" ")
    if space and between and version in (b"HTTP/1.1", b"HTTP/1.0"):
        return _line_fault(method, target)
    return BadRequest(
        f"the request line is {quote(line[:-2])}; it must be METHOD SP TARGET SP HTTP/1.1"
    )


def _forbidden(data: bytes, start: int, found: re.Match[bytes]) -> BadRequest:
    """The refusal of what `find_forbidden` found in the head that begins at `start`.

    It says nothing but what the bytes up to there tell: what follows them may not have come yet.
    """
    at = found.start()
    if data[at] in b"\r\n":
        return BadRequest(describe_forbidden(found, start))
    line = data[data.rfind(b"\n", start, at) + 1 or start : at]
    if data.find(b"\r\n", start, at) >= 0:
        name, colon, _ = line.partition(b":")
        return BadRequest(control_in_value(text_of(name)) if colon else CONTROL_IN_NAME)
    method, _, rest = line.partition(b" ")
    if len(method) == len(line):
        return BadRequest(CONTROL_IN_METHOD)
    if rest.rpartition(b" ")[2].startswith(b"HTTP/"):
        return BadRequest("the version has a control character")
    return BadRequest(BAD_TARGET)


def _line_too_long(limits: Limits) -> BadRequest:
    return BadRequest(f"the request line is longer than {limits.line} bytes; shorten the URL", 414)


def _head_too_large(limits: Limits) -> BadRequest:
    return BadRequest(f"the head is larger than {limits.head} bytes; send fewer fields", 431)
