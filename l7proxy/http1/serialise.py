"""Bytes for the messages the proxy writes itself.

Everything here refuses to write what would end a line early or split a message: nothing that
came from a configuration, a backend or a client can add a field or a second message.
"""

from __future__ import annotations

import re

from l7proxy.http1.grammar import is_text, is_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

REASONS = {
    100: "Continue",
    101: "Switching Protocols",
    200: "OK",
    204: "No Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_JSON = b"application/json"

_is_weight = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?").fullmatch
_is_target = re.compile(rb"[\x21\x22\x24-\x7e]++").fullmatch


def request_line(method: str, target: str) -> bytes:
    """`METHOD target HTTP/1.1` with its CRLF. Raises ValueError for what does not fit in it."""
    method_bytes = _ascii(method, "method")
    target_bytes = _ascii(target, "target")
    if is_token(method_bytes) is None:
        raise ValueError(f"{method!r} cannot be a method; it must be a token")
    if _is_target(target_bytes) is None:
        raise ValueError(f"{target!r} cannot be a request target; percent-encode what is not ASCII")
    return b"%b %b HTTP/1.1\r\n" % (method_bytes, target_bytes)


def status_line(status: int, reason: str | None = None) -> bytes:
    """`HTTP/1.1 status reason` with its CRLF; `reason` defaults to the usual one."""
    if not 100 <= status <= 599:
        raise ValueError(f"{status} cannot be a status; it must be 100 to 599")
    text = _latin_1(REASONS.get(status, "") if reason is None else reason, "reason")
    return b"HTTP/1.1 %d %b\r\n" % (status, text)


def field_line(name: str, value: str) -> bytes:
    """`name: value` with its CRLF. Raises ValueError for what does not fit in one field."""
    name_bytes = _ascii(name, "field name")
    if is_token(name_bytes) is None:
        raise ValueError(f"{name!r} cannot be a field name; it must be a token")
    return b"%b: %b\r\n" % (name_bytes, _latin_1(value, f"value of {name}"))


def field_block(fields: Iterable[tuple[str, str]]) -> bytes:
    """The lines of `fields`, in order."""
    return b"".join([field_line(name, value) for name, value in fields])


def request_head(method: str, target: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A whole request head, its empty line included."""
    return b"%b%b\r\n" % (request_line(method, target), field_block(fields))


def response_head(
    status: int, fields: Iterable[tuple[str, str]], reason: str | None = None
) -> bytes:
    """A whole response head, its empty line included."""
    return b"%b%b\r\n" % (status_line(status, reason), field_block(fields))


def error_page(
    status: int,
    message: str,
    *,
    accept: bytes | None = None,
    fields: Iterable[tuple[str, str]] = (),
    close: bool = True,
    with_body: bool = True,
) -> tuple[bytes, bytes]:
    """Head and body of an answer of the proxy's own: `message` as text, or as JSON if accepted.

    `accept`: the request's Accept. `fields`: more fields, such as Date or Retry-After.
    `with_body`: False in answer to HEAD, which gets the length but not the body.
    """
    if prefers_json(accept):
        # Imported here: most processes never answer in JSON by themselves.
        import json

        kind = "application/json"
        body = json.dumps({"status": status, "error": message}).encode() + b"\n"
    else:
        kind = "text/plain; charset=utf-8"
        reason = REASONS.get(status, "Error")
        if message.lower().startswith(reason.lower()):
            # It is said already.
            message = message[len(reason) :].removeprefix(": ")
        body = (f"{status} {reason}: {message}" if message else f"{status} {reason}").encode()
        body += b"\n"
    head = [("Content-Type", kind), ("Content-Length", str(len(body))), *fields]
    if close:
        head.append(("Connection", "close"))
    return response_head(status, head), body if with_body else b""


def prefers_json(accept: bytes | None) -> bool:
    """Whether an Accept value asks for JSON rather than for text (RFC 9110 12.5.1).

    Who prefers HTML is a person, and better served with text. Between equals the first counts.
    """
    weights: dict[bytes, float] = {}
    for part in (accept or b"").lower().split(b","):
        kind, _, parameters = part.partition(b";")
        kind = kind.strip(b" \t")
        if kind.endswith(b"+json"):
            kind = _JSON
        weights.setdefault(kind, _weight(parameters))
    json = _weight_of(weights, (_JSON,), b"application/*")
    text = _weight_of(weights, (b"text/plain", b"text/html"), b"text/*")
    if json != text:
        return json > text
    named = [kind for kind in weights if kind == _JSON or kind.startswith(b"text/")]
    return json > 0 and named[:1] == [_JSON]


def _weight(parameters: bytes) -> float:
    """The q among a media range's parameters; 1 where there is none that makes sense."""
    for parameter in parameters.split(b";"):
        name, _, value = parameter.strip(b" \t").partition(b"=")
        if name == b"q" and _is_weight(value) is not None:
            return float(value)
    return 1.0


def _weight_of(weights: dict[bytes, float], kinds: tuple[bytes, ...], wide: bytes) -> float:
    """The weight of the best of `kinds`; a wildcard counts where none of them is named."""
    named = [weights[kind] for kind in kinds if kind in weights]
    return max(named) if named else weights.get(wide, weights.get(b"*/*", 0.0))


def _ascii(text: str, what: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} cannot be a {what}; it has bytes beyond ASCII") from None


def _latin_1(text: str, what: str) -> bytes:
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} cannot be a {what}; it has bytes beyond Latin-1") from None
    if is_text(data) is None:
        raise ValueError(f"{text!r} cannot be a {what}; it has control characters")
    return data
