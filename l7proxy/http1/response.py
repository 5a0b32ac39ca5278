"""The head of a backend's response, and how long its body is."""

from __future__ import annotations

import re

from l7proxy.http1.errors import BadResponse
from l7proxy.http1.fields import CHUNKED, UNSTATED, parse_response_fields, quote
from l7proxy.http1.grammar import TEXT, describe_forbidden, find_forbidden
from l7proxy.http1.heads import HeadParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from l7proxy.http1.fields import ResponseFields
    from l7proxy.http1.limits import Limits

# What a body's length is, beside a number of bytes and CHUNKED.
UNTIL_CLOSE = -2
TUNNEL = -3

# The space before an empty reason is mandatory (RFC 9112 4) and yet often left out.
_match_line = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: (" + TEXT + rb"))?\r\n").match
_PREFIX = b"HTTP/1."
_CRLF = b"\r\n"
_CONTENT_LENGTH = frozenset((b"content-length",))


class ResponseHead:
    """One valid response head. Immutable, and shared by all responses with the same bytes.

    `status`: 100 to 599. `reason`: as sent, maybe b"".
    `minor`: 0 or 1, of HTTP/1.x.
    `interim`: whether it is a 1xx response other than 101, to be followed by another head.
    `fields`: the header fields.
    `forwardable`: `fields.forwardable`, without Content-Length where the status forbids one.
    `line`: the status line to send on, as HTTP/1.1, with its CRLF.
    `length`: the body's bytes, or CHUNKED, or UNTIL_CLOSE, in answer to a GET.
    `keep_alive`: whether the backend lets the connection live on after this response; of use
        only where the body does not last until the connection's end.
    `derived`: for the caller: whatever follows from this head alone and is worth keeping with it.
    """

    __slots__ = (
        "derived",
        "fields",
        "forwardable",
        "interim",
        "keep_alive",
        "length",
        "line",
        "minor",
        "reason",
        "status",
    )

    status: int
    reason: bytes
    minor: int
    interim: bool
    fields: ResponseFields
    forwardable: bytes
    line: bytes
    length: int
    keep_alive: bool
    derived: Any

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
        for slot in ResponseHead.__slots__:
            setattr(head, slot, getattr(self, slot))
        head.derived = None
        head.forwardable += f"{name}: {value}\r\n".encode("latin-1")
        return head


class ResponseParser(HeadParser[ResponseHead]):
    """Parses the heads of responses."""

    __slots__ = ()

    def _parse_new(self, raw: bytes) -> ResponseHead:
        if len(raw) > self._limits.head:
            raise _head_too_large(self._limits)
        match = _match_line(raw)
        if match is None:
            raise BadResponse(
                f"the status line is {quote(raw.split(_CRLF, 1)[0])}; "
                "it must be HTTP/1.1 SP STATUS SP REASON"
            )
        if match.end() > self._limits.line + 2:
            raise BadResponse(f"the status line is longer than {self._limits.line} bytes")
        block = raw[match.end() : -2]
        if (count := block.count(b"\n")) > self._limits.fields:
            raise BadResponse(f"{count} fields; at most {self._limits.fields} are taken")
        head = _join(match, parse_response_fields(block))
        self._heads.remember(raw, head)
        return head

    def _refuse_early(self, data: bytes, start: int, scanned: int) -> None:
        """Raise for what has come of a head if it cannot become valid."""
        limits = self._limits
        if not _PREFIX.startswith(data[start : start + len(_PREFIX)]):
            raise BadResponse(f"it begins {quote(data[start : start + 20])}, which is not HTTP/1")
        bad = find_forbidden(data, max(start, scanned - 1))
        if bad is not None:
            raise BadResponse(describe_forbidden(bad, start))
        if len(data) - start > limits.head:
            raise _head_too_large(limits)


def _join(match: re.Match[bytes], fields: ResponseFields) -> ResponseHead:
    """The head of a status line and its fields, where the two agree (RFC 9112 6.3)."""
    head = ResponseHead()
    minor, code, reason = match.groups(b"")
    head.status = status = int(code)
    head.reason = reason
    head.fields = fields
    head.forwardable = fields.forwardable
    head.derived = None
    head.interim = status < 200 and status != 101
    if minor == b"1":
        head.minor = 1
        head.keep_alive = b"close" not in fields.connection
    else:
        head.minor = 0
        head.keep_alive = b"keep-alive" in fields.connection and b"close" not in fields.connection
        if fields.length == CHUNKED:
            raise BadResponse("Transfer-Encoding in an HTTP/1.0 response; its end is uncertain")
        if status < 200:
            raise BadResponse(f"status {status} in HTTP/1.0, which has no interim responses")
    # The line is made anew for the backend's version is its own affair, and so that there is
    # exactly one space before a reason that may be empty.
    head.line = b"HTTP/1.1 %b %b\r\n" % (code, reason)
    if status < 200 or status == 204:
        # A length here is meaningless where it is 0, and otherwise announces a body that cannot
        # be told from the next response (RFC 9112 6.1, RFC 9110 8.6).
        if fields.length not in (0, UNSTATED):
            raise BadResponse(f"status {status} with a body; there can be none")
        if fields.length == 0:
            head.forwardable = fields.without(_CONTENT_LENGTH)
        if status == 101 and fields.upgrade is None:
            raise BadResponse("status 101 without Connection: upgrade and Upgrade")
        head.length = 0
    elif status == 304:
        head.length = 0
    else:
        head.length = UNTIL_CLOSE if fields.length == UNSTATED else fields.length
    return head


def _head_too_large(limits: Limits) -> BadResponse:
    return BadResponse(f"the response's head is larger than {limits.head} bytes")
