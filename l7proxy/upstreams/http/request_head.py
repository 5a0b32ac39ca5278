"""The head that a backend gets: `write_request_head` writes it, whoever asks.

What goes in comes from the wire where the body is passed on as it comes (`streamed_head`), and
from the core where a request is there as a whole (`buffered_head`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.http.grammar import plain_name
from l7proxy.core.http.hop_by_hop import CLAIMS, HOP_BY_HOP, may_be_listed
from l7proxy.core.http.target import with_query
from l7proxy.http1 import CHUNKED
from l7proxy.http1.fields import drop_fields, text_fields
from l7proxy.http1.serialise import field_block, request_line
from l7proxy.upstreams.http.headers import host_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import Headers
    from l7proxy.core.routing.actions import HeaderEdits
    from l7proxy.http1 import RequestHead

    Pairs = Sequence[tuple[str, str]]

END = b"\r\n"
"""What is said about a client of whom nothing is said."""
_HOST = frozenset((b"host",))
_MAX_FORWARDS = frozenset((b"max-forwards",))
_LEFT_OUT = HOP_BY_HOP | {"content-length", "expect", "trailer"}
"""Of a request that is there as a whole: what is about its connection or its framing."""
_WITH_CONTENT = frozenset(("PATCH", "POST", "PUT"))


def write_request_head(
    line: bytes,
    fields: bytes | Pairs,
    about_client: bytes = END,
    *,
    host: str | None = None,
    edits: HeaderEdits | None = None,
    hops_left: int | None = None,
    framing: bytes = b"",
    upgrade: bytes | None = None,
) -> bytes:
    """The head that a backend gets, its empty line included.

    - `line` is the request line, `fields` are those that go from end to end, as a valid block or
      as names and values.
    - `host` takes the place of their Host, and `edits` are what the route does to them.
    - `hops_left` is how many servers may pass an OPTIONS on, this one included, where that is said
      (RFC 9110, 7.6.2).
    - `framing` are the lines that say how long the body is, where `fields` don't.
    - `upgrade` is the protocol that the connection may change to.
    - `about_client` are the lines about where the request came from, with the empty line.

    Raises ValueError where names and values are not what may stand in a field.
    """
    if edits is not None and isinstance(fields, bytes):
        fields = text_fields(fields)
    if isinstance(fields, bytes):
        if host is not None:
            written = b"Host: %b\r\n" % host.encode("ascii", "replace")
            fields = written + drop_fields(fields, _HOST)
    else:
        if host is not None:
            fields = [("Host", host), *(pair for pair in fields if pair[0].lower() != "host")]
        if edits is not None:
            fields = edits.apply(fields)
        fields = field_block(fields)
    hops = change = b""
    if hops_left is not None:
        fields = drop_fields(fields, _MAX_FORWARDS)
        hops = b"Max-Forwards: %d\r\n" % (hops_left - 1)
    if upgrade is not None:
        change = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade
    return b"%b%b%b%b%b%b" % (line, fields, hops, framing, change, about_client)


def streamed_head(
    exchange: Exchange,
    head: RequestHead,
    about_client: bytes,
    hops_left: int | None,
    upgrade: bytes | None,
) -> bytes:
    """The head for `exchange.backend` of a request that came with `head`."""
    route, target, host = exchange.route, exchange.target, exchange.rewritten_host
    assert route is not None and target is not None
    edits = route.request_headers
    # The hot path: this is `exchange.forward_target`.
    if exchange.rewritten_path is not None:
        path = with_query(exchange.rewritten_path, target.query)
    else:
        path = target.path if target.query is None else f"{target.path}?{target.query}"
    is_same = path == head.path and host is None and edits is None
    if is_same and hops_left is None and head.is_complete:
        # As nearly all are: nothing of it changes.
        return head.start + about_client
    return write_request_head(
        head.line if path == head.path else request_line(head.method, path),
        head.forwardable,
        about_client,
        host=_other_host(exchange, head),
        edits=edits,
        hops_left=hops_left,
        framing=b"Transfer-Encoding: chunked\r\n" if head.length == CHUNKED else b"",
        upgrade=upgrade,
    )


def _other_host(exchange: Exchange, head: RequestHead) -> str | None:
    """What takes the place of the head's Host; None where that stays."""
    host = exchange.rewritten_host
    if host is None and not head.authority:
        # Only HTTP/1.0 can do without, and what is sent on is HTTP/1.1.
        assert exchange.backend is not None
        return host_field(exchange.backend.address)
    return None if host == head.host else host


def buffered_head(exchange: Exchange, *, overwrite: bool) -> bytes:
    """The head for `exchange.backend` of a request that is there with all of its body.

    With `overwrite` the backend is told who the client is in place of what the client says about
    that. Raises ValueError where the request can't be written as HTTP/1.1.
    """
    request, route, backend = exchange.request, exchange.route, exchange.backend
    assert route is not None and backend is not None
    left_out = _LEFT_OUT | CLAIMS if overwrite else _LEFT_OUT
    fields = _end_to_end(exchange.addressed_headers, left_out)
    if overwrite and request.client_ip:
        fields.append(("X-Forwarded-For", request.client_ip))
    if request.cookies:
        fields = _with_cookies(fields, request.cookies)
    has_host = any(name.lower() == "host" for name, _ in fields)
    framing = b""
    if request.body or request.method in _WITH_CONTENT:
        framing = b"Content-Length: %d\r\n" % len(request.body)
    return write_request_head(
        request_line(request.method, exchange.forward_target),
        fields,
        host=None if has_host else host_field(backend.address),
        edits=route.request_headers,
        framing=framing,
    )


def _end_to_end(headers: Headers, left_out: frozenset[str]) -> list[tuple[str, str]]:
    """The fields that go from end to end, but for those of `left_out` (in lower case)."""
    listed = _listed(headers)
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in listed and plain_name(name) not in left_out
    ]


def _listed(headers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The fields that a Connection field makes hop-by-hop too, in lower case."""
    return frozenset(
        option
        for name, value in headers
        if name.lower() == "connection"
        for option in map(str.strip, value.lower().split(","))
        if may_be_listed(option)
    )


def _with_cookies(fields: Pairs, cookies: Mapping[str, str]) -> list[tuple[str, str]]:
    """The fields with these cookies before others, in the one Cookie line that there may be."""
    lines = [f"{name}={value}" for name, value in cookies.items()]
    lines += [value for name, value in fields if name.lower() == "cookie"]
    others = [(name, value) for name, value in fields if name.lower() != "cookie"]
    return [*others, ("Cookie", "; ".join(lines))]
