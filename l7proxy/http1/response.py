"""The head of a backend's response, and how long its body is."""

from __future__ import annotations

import re
from math import inf

from l7proxy.http1.block import RESPONSE_BLOCK
from l7proxy.http1.errors import BadResponse
from l7proxy.http1.fields import (
    CHUNKED,
    UNSTATED,
    ResponseFields,
    drop_fields,
    explain_block,
    quote,
)
from l7proxy.http1.grammar import TEXT, describe_forbidden, find_forbidden
from l7proxy.http1.heads import HeadParser
from l7proxy.http1.limits import DEFAULT_LIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.http1.limits import Limits

# What a body's length is, beside a number of bytes and CHUNKED.
UNTIL_CLOSE = -2
TUNNEL = -3

# The space before an empty reason is mandatory (RFC 9112 4) and yet often left out.
_LINE = rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: (" + TEXT + rb"))?\r\n"
_match_line = re.compile(_LINE).match
_match_head = re.compile(_LINE + RESPONSE_BLOCK + rb"\r\n").fullmatch
_PREFIX = b"HTTP/1."
_CRLF = b"\r\n"
_CONTENT_LENGTH = frozenset((b"content-length",))
_WITHOUT_CONTENT = (204, 304)


class ResponseHead:
    """One valid response head. Immutable, and shared by all responses with the same bytes.

    `status`: 100 to 999.
    `minor`: 0 or 1, of HTTP/1.x.
    `interim`: whether it is a 1xx response other than 101, to be followed by another head.
    `block`: the header fields as they came, each with its CRLF.
    `forwarded`: `line`, `forwardable` and the empty line: the head to send on as it is.
    `has_date`: whether there is a Date: a proxy adds one where it is missing (RFC 9110 6.6.1).
    `says_idle_limit`: whether `fields.idle_limit` is finite.
    `length`: the body's bytes, or CHUNKED, or UNTIL_CLOSE, in answer to a GET.
    `keep_alive`: whether the backend lets the connection live on after this response; of use
        only where the body does not last until the connection's end. After an interim response
        that does not, no other request may follow.
    """

    __slots__ = (
        "_fields",
        "block",
        "forwarded",
        "has_date",
        "interim",
        "keep_alive",
        "length",
        "minor",
        "says_idle_limit",
        "status",
    )

    _fields: ResponseFields | None
    block: bytes
    has_date: bool
    interim: bool
    keep_alive: bool
    length: int
    minor: int
    says_idle_limit: bool
    status: int
    forwarded: bytes

    @property
    def fields(self) -> ResponseFields:
        """The header fields."""
        fields = self._fields
        if fields is None:
            fields = self._fields = ResponseFields(self.block)
        return fields

    @property
    def line(self) -> bytes:
        """The status line to send on, as HTTP/1.1, with its CRLF."""
        return self.forwarded[: self.forwarded.index(b"\n") + 1]

    @property
    def reason(self) -> bytes:
        """The reason as sent, maybe b""."""
        return self.line[13:-2]

    @property
    def forwardable(self) -> bytes:
        """`fields.forwardable`, without Content-Length where the status forbids one."""
        return self.forwarded[self.forwarded.index(b"\n") + 1 : -2]

    def body_length(self, method: str, *, upgrade_asked: bool = False) -> int:
        """How long the body is in answer to `method`: bytes, CHUNKED, UNTIL_CLOSE or TUNNEL.

        `upgrade_asked`: whether the request carried an Upgrade to this backend.
        Raises BadResponse for a 101 nobody asked for. RFC 9112 6.3.
        """
        if method == "HEAD" and self.status != 101:
            return 0
        if method == "CONNECT" and 200 <= self.status <= 299:
            return TUNNEL
        if self.status == 101:
            if not upgrade_asked:
                raise BadResponse("status 101, but the request asked for no upgrade")
            return TUNNEL
        return self.length

    def with_field(self, name: str, value: str) -> ResponseHead:
        """This head with one more field to send on, which is trusted to be valid."""
        head = ResponseHead()
        head._fields = self._fields
        head.block = self.block
        head.has_date = self.has_date
        head.interim = self.interim
        head.keep_alive = self.keep_alive
        head.length = self.length
        head.minor = self.minor
        head.says_idle_limit = self.says_idle_limit
        head.status = self.status
        field = f"{name}: {value}\r\n".encode("latin-1")
        head.forwarded = b"%b%b\r\n" % (self.forwarded[:-2], field)
        return head


class ResponseParser(HeadParser[ResponseHead]):
    """Parses the heads of responses.

    `idle_limit` is the least of what their Keep-Alive fields have said so far of how long an idle
    connection is kept (seconds), infinite where none has.
    """

    __slots__ = ("idle_limit",)

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, remember: int = 512) -> None:
        """`remember`: how many heads are remembered at most."""
        super().__init__(_match_head, self._join_noting, limits, remember=remember)
        self.idle_limit = inf

    def _join_noting(self, match: re.Match[bytes], raw: bytes) -> ResponseHead:
        head = _join(match, raw)
        if head.says_idle_limit:
            self.idle_limit = min(self.idle_limit, head.fields.idle_limit)
        return head

    def _check_limits(self, raw: bytes) -> None:
        limits = self._limits
        if len(raw) > limits.head:
            raise _head_too_large(limits)
        if raw.find(b"\n", 0, limits.line + 2) < 0:
            raise BadResponse(f"the status line is longer than {limits.line} bytes")
        if (count := raw.count(b"\n") - 2) > limits.fields:
            raise BadResponse(f"{count} fields; at most {limits.fields} are taken")

    def _fault(self, raw: bytes) -> BadResponse:
        if len(raw) > self._limits.head:
            return _head_too_large(self._limits)
        match = _match_line(raw)
        if match is None:
            return BadResponse(
                f"the status line is {quote(raw.split(_CRLF, 1)[0])}; "
                "it must be HTTP/1.1 SP STATUS SP REASON"
            )
        self._check_limits(raw)
        return BadResponse(explain_block(raw[match.end() : -2]))

    def _refuse_early(self, data: bytes, start: int, scanned: int) -> None:
        """Raise for what has come of a head if it cannot become valid."""
        self._check_begun(data, start)
        bad = find_forbidden(data, max(start, scanned - 1))
        if bad is not None:
            raise BadResponse(describe_forbidden(bad, start))

    def _check_begun(self, data: bytes, start: int) -> None:
        """Raises for what is not the beginning of a response, or too much of one."""
        limits = self._limits
        if not _PREFIX.startswith(data[start : start + len(_PREFIX)]):
            raise BadResponse(f"it begins {quote(data[start : start + 20])}, which is not HTTP/1")
        if len(data) - start > limits.head:
            raise _head_too_large(limits)


def check_interims(count: int, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raises BadResponse for so many interim responses that no final one is to be expected."""
    if count > limits.interim:
        raise BadResponse("too many interim responses")


def _join(match: re.Match[bytes], raw: bytes) -> ResponseHead:
    """The head that was matched, which is all of `raw`."""
    minor, code, reason, block, date, length, kept, unusual = match.groups()
    head = ResponseHead()
    head.status = status = int(code)
    head.block = block
    head._fields = None
    head.says_idle_limit = False
    head.has_date = date is not None
    # The line may need to be made anew: the backend's version is its own affair, and there is to
    # be exactly one space before a reason that may be empty.
    if unusual is not None or reason is None or minor != b"1" or status < 200 or status == 204:
        _look_closer(head, minor, code, reason or b"")
        return head
    head.minor = 1
    head.interim = False
    head.keep_alive = True
    if status == 304:
        head.length = 0
    else:
        head.length = UNTIL_CLOSE if length is None else int(length)
    if kept is None:
        head.forwarded = raw
    else:
        start, end = match.span(7)
        head.forwarded = raw[:start] + raw[end:]
    return head


def _look_closer(head: ResponseHead, minor: bytes, code: bytes, reason: bytes) -> None:
    """What a head says whose fields have to be looked at one by one, or whose line does.

    Line and fields must agree (RFC 9112 6.3).
    """
    fields, status = head.fields, head.status
    forwardable = fields.forwardable
    head.has_date = fields.has_date
    head.says_idle_limit = fields.idle_limit < inf
    head.interim = status < 200 and status != 101
    if minor == b"1":
        head.minor = 1
        head.keep_alive = b"close" not in fields.connection
    else:
        head.minor = 0
        head.keep_alive = b"keep-alive" in fields.connection and b"close" not in fields.connection
        if fields.length == CHUNKED and status not in _WITHOUT_CONTENT:
            raise BadResponse("Transfer-Encoding in an HTTP/1.0 response; its end is uncertain")
        if status < 200:
            raise BadResponse(f"status {status} in HTTP/1.0, which has no interim responses")
    if status < 200 or status == 204:
        if status == 101 and fields.upgrade is None:
            raise BadResponse("status 101 without Connection: upgrade and Upgrade")
        head.length = 0
        forwardable = drop_fields(forwardable, _CONTENT_LENGTH)
        if fields.length not in (0, UNSTATED):
            # It ends with its head, whatever that announces (RFC 9112 6.3): what follows nobody
            # can tell from the next response.
            head.keep_alive = False
    elif status == 304:
        head.length = 0
    else:
        if status == 426:
            forwardable += fields.offer
        head.length = UNTIL_CLOSE if fields.length == UNSTATED else fields.length
    head.forwarded = b"HTTP/1.1 %b %b\r\n%b\r\n" % (code, reason, forwardable)


def _head_too_large(limits: Limits) -> BadResponse:
    return BadResponse(f"the response's head is larger than {limits.head} bytes")
