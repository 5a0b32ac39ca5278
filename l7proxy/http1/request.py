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
from l7proxy.http1.block import REQUEST_BLOCK
from l7proxy.http1.errors import BadRequest
from l7proxy.http1.fields import (
    CHUNKED,
    UNSTATED,
    RequestFields,
    drop_claims,
    drop_fields,
    explain_block,
    find_value,
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from l7proxy.http1.limits import Limits

_LINE = rb"(" + TOKEN + rb") (" + TARGET + rb") HTTP/1\.([01])\r\n"
_match_line = re.compile(_LINE).match
_match_head = re.compile(_LINE + REQUEST_BLOCK + rb"\r\n").fullmatch
_match_absolute = re.compile(rb"(?i:https?)://([^/?]*+)(.*+)", re.DOTALL).fullmatch

_match_empty_lines = re.compile(rb"(?:\r\n)*+").match

_HOST = frozenset((b"host",))


class RequestHead:
    """One valid request head. Immutable, and shared by all requests with the same bytes.

    `method`: as sent; methods are case-sensitive tokens.
    `target`: the request target as sent.
    `path`: what to route on and to send on: the origin form (path and query) of the target, with
        octets beyond ASCII percent-encoded; "*" for OPTIONS on the server as a whole, "" for
        CONNECT.
    `authority`: the host asked for, b"" only in an HTTP/1.0 request that names none. An absolute
        or authority-form target wins over the Host field (RFC 9112 3.2.2).
    `minor`: 0 or 1, of HTTP/1.x.
    `block`: the header fields as they came, each with its CRLF.
    `has_claims`: whether there is a field about where the request came from, in any spelling.
    `start`: `line` and `forwardable`.
    `is_complete`: whether `start` says all that there is to say of the message, that is, a host
        and how long its body is, and nobody wants to change the protocol.
    `via`: `fields.via`.
    `length`: the body's bytes, or CHUNKED.
    `keep_alive`: whether the client lets the connection live on after this request.
    `upgrade`: the protocol the client wants to change to, or None. An HTTP/1.0 client has no say
        in this (RFC 9110 7.8), nor can it wait for an interim response:
    `expect_continue`: whether the client waits for 100 (Continue) before it sends the body.
    `derived`: for the caller: whatever follows from this head alone and is worth keeping with it.
    """

    __slots__ = (
        "_fields",
        "authority",
        "block",
        "derived",
        "expect_continue",
        "has_claims",
        "is_complete",
        "keep_alive",
        "length",
        "method",
        "minor",
        "path",
        "start",
        "target",
        "upgrade",
        "via",
    )

    _fields: RequestFields | None
    authority: bytes
    block: bytes
    derived: Any
    expect_continue: bool
    has_claims: bool
    is_complete: bool
    keep_alive: bool
    length: int
    method: str
    minor: int
    path: str
    start: bytes
    target: bytes
    upgrade: bytes | None
    via: bytes | None

    @property
    def host(self) -> str:
        """`authority` as text."""
        return self.authority.decode("ascii")

    @property
    def fields(self) -> RequestFields:
        """The header fields, `host` among them as it was sent."""
        fields = self._fields
        if fields is None:
            fields = self._fields = RequestFields(self.block)
        return fields

    @property
    def line(self) -> bytes:
        """The request line to send on, origin form and HTTP/1.1, with its CRLF."""
        return self.start[: self.start.index(b"\n") + 1]

    @property
    def forwardable(self) -> bytes:
        """`fields.forwardable`, with Host made to agree with `host`.

        There is no Host where `host` is ""; a request sent on as HTTP/1.1 needs one.
        """
        return self.start[self.start.index(b"\n") + 1 :]

    def get(self, name: str) -> bytes | None:
        """The value of the field `name` (in lower case), as `fields.get` has it."""
        return find_value(self.block, name)

    def believed(self, *, trusted: bool) -> bytes:
        """`block` without the claims that are not believed."""
        return drop_claims(self.block, trusted=trusted) if self.has_claims else self.block

    def without(self, names: frozenset[bytes]) -> bytes:
        """`forwardable` without the fields called `names` (in lower case)."""
        return drop_fields(self.forwardable, names)


class RequestParser(HeadParser[RequestHead]):
    """Parses request heads; empty lines before the request line are skipped (RFC 9112 2.2)."""

    __slots__ = ()

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, remember: int = 512) -> None:
        """`remember`: how many heads are remembered at most."""
        super().__init__(_match_head, _join, limits, remember=remember)

    def _parse_odd(self, data: bytes, start: int, raw: bytes) -> tuple[RequestHead, int] | None:
        if raw.startswith(b"\r\n"):
            return self.parse(data, self._skip_empty_lines(data, start))
        return super()._parse_odd(data, start, raw)

    def _skip_empty_lines(self, data: bytes, start: int) -> int:
        """The index behind the empty lines before a request line. Raises for too many."""
        end = end_of_empty_lines(data, start)
        if end - start > self._limits.line:
            raise BadRequest("there are too many empty lines before the request line; send none")
        return end

    def _check_limits(self, raw: bytes) -> None:
        limits = self._limits
        if (count := raw.count(b"\n") - 2) > limits.fields:
            fault = BadRequest(f"{count} fields; at most {limits.fields} are taken", 431)
        elif raw.find(b"\r\n", 0, limits.line + 2) < 0 or len(raw) > limits.head:
            fault = _head_too_large(limits)
        else:
            return
        self._refuse_early(raw, 0, 0)
        raise fault

    def _fault(self, raw: bytes) -> BadRequest:
        self._refuse_early(raw, 0, 0)
        self._check_limits(raw)
        return BadRequest(explain_block(raw[raw.index(b"\n") + 1 : -2]))

    def _refuse_early(self, data: bytes, start: int, scanned: int) -> None:
        """Raise for what has come of a head if it cannot become valid, first fault first."""
        start = self._skip_empty_lines(data, start)
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


def end_of_empty_lines(data: bytes, start: int) -> int:
    """Returns the index behind the empty lines at `data[start:]`."""
    match = _match_empty_lines(data, start)
    assert match is not None
    return match.end()


def _join(match: re.Match[bytes], raw: bytes) -> RequestHead:
    """The head that was matched, which is all of `raw`."""
    method, target, minor, block, host, length, _, kept, unusual = match.groups()
    head = RequestHead()
    head.method = method.decode("ascii")
    head.target = target
    head.block = block
    head._fields = head.derived = head.upgrade = head.via = None
    if (
        unusual is not None
        or host is None
        or minor != b"1"
        or target[0] != 0x2F
        or method == b"CONNECT"
        or not target.isascii()
    ):
        _look_closer(head, method, minor)
        return head
    head.path = target.decode("ascii")
    head.authority = host
    head.minor = 1
    head.length = 0 if length is None else int(length)
    head.keep_alive = head.is_complete = True
    head.expect_continue = head.has_claims = False
    if kept is None:
        head.start = raw[:-2]
    else:
        start, end = match.span("kept")
        head.start = raw[:start] + raw[end:-2]
    return head


def _look_closer(head: RequestHead, method: bytes, minor: bytes) -> None:
    """What a head says whose fields have to be looked at one by one, or whose line does.

    Line and fields must agree (RFC 9112 3.2, 6.3).
    """
    fields = head.fields
    host = fields.host
    forwardable = fields.forwardable
    path, authority = _resolve(method, head.target)
    if not path.isascii():
        path = escape_octets(path)
    if authority is not None:
        if authority != host:
            forwardable = b"Host: %b\r\n%b" % (authority, drop_fields(forwardable, _HOST))
        host = authority
    head.path = path.decode("ascii")
    _look_at_version(head, fields, minor)
    if head.minor and fields.accepts_trailers:
        # Trailers are passed on, so a client that can take them may say so (RFC 9110 10.1.4).
        forwardable += b"Connection: TE\r\nTE: trailers\r\n"
    head.start = b"%b %b HTTP/1.1\r\n%b" % (method, path, forwardable)
    head.authority = host or b""
    head.via = fields.via
    head.has_claims = fields.has_claims
    head.is_complete = bool(host) and fields.length != CHUNKED and head.upgrade is None
    head.length = 0 if fields.length == UNSTATED else fields.length
    if method == b"CONNECT" and head.length != 0:
        raise BadRequest(CONTENT_IN_CONNECT)


def _look_at_version(head: RequestHead, fields: RequestFields, minor: bytes) -> None:
    """What the fields of a head mean in its version of HTTP."""
    closes = b"close" in fields.connection
    if minor == b"1":
        head.minor = 1
        head.upgrade = fields.upgrade
        head.expect_continue = fields.expect_continue
        head.keep_alive = not closes
        if fields.host is None:
            raise BadRequest("no Host field; an HTTP/1.1 request must have one")
    else:
        head.minor = 0
        head.expect_continue = False
        head.keep_alive = b"keep-alive" in fields.connection and not closes
        if fields.length == CHUNKED:
            raise BadRequest("Transfer-Encoding in an HTTP/1.0 request; send Content-Length")


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
