"""Requests that are there as a whole, and responses that are taken as a whole, or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.http.messages import Headers, HttpResponse
from l7proxy.http1 import BadResponse
from l7proxy.http1.fields import may_be_dropped, split_fields
from l7proxy.http1.serialise import request_head
from l7proxy.upstreams.http.headers import ABOUT_CLIENTS, host_field
from l7proxy.upstreams.http.request_body import RequestBody

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from l7proxy.core.exchange import Exchange
    from l7proxy.http1 import ResponseHead
    from l7proxy.upstreams.http.downstream import Flow, Piece, Tunnel

_OURS = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields about one connection (RFC 9110, 7.6.1) or the framing of one message."""


class Buffered:
    """The `Downstream` of an exchange whose request is just a core `HttpRequest`.

    With `keep` the response becomes `exchange.response`, unless its body has more than `limit`
    bytes; without, nobody wants it. With `overwrite` the backend is told who the client is in place
    of what the client says about that.
    """

    upgrade = False

    def __init__(
        self, exchange: Exchange, *, keep: bool, limit: int = 0, overwrite: bool = False
    ) -> None:
        request = exchange.request
        self._exchange = exchange
        self._keep = keep
        self._overwrite = overwrite
        self._room = limit
        self._head: bytes | None = None
        self._status = 0
        self._fields: Headers | None = None
        self._payload: list[Piece] = []
        self.method = request.method
        self.body: RequestBody | None = None
        if request.body:
            self.body = RequestBody(None, chunked=False, limit=len(request.body))
            self.body.add((request.body,))
            self.body.end()

    def request_head(self, exchange: Exchange) -> bytes:
        """Raises ValueError where the request can't be written as HTTP/1.1."""
        if self._head is None:
            self._head = self._written(exchange)
        return self._head

    def _written(self, exchange: Exchange) -> bytes:
        request, backend = exchange.request, exchange.backend
        assert backend is not None
        ours = _OURS | ABOUT_CLIENTS if self._overwrite else _OURS
        headers = exchange.addressed_headers
        listed = _listed(headers)
        # An underscore is a hyphen to backends that read fields as CGI variables.
        fields = [
            (name, value)
            for name, value in headers
            if name.lower().replace("_", "-") not in ours and name.lower() not in listed
        ]
        if self._overwrite and request.client_ip:
            fields.append(("X-Forwarded-For", request.client_ip))
        if request.cookies:
            fields = _with_cookies(fields, request.cookies)
        assert exchange.route is not None
        if exchange.route.request_headers is not None:
            fields = exchange.route.request_headers.apply(fields)
        if not any(name.lower() == "host" for name, _ in fields):
            fields.insert(0, ("Host", host_field(backend.address)))
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            fields.append(("Content-Length", str(len(request.body))))
        return request_head(request.method, exchange.forward_target, fields)

    def interim(self, head: ResponseHead) -> None:
        """Nobody waits for it."""

    def response_head(
        self, exchange: Exchange, head: ResponseHead, length: int, flow: Flow
    ) -> None:
        self._status = head.status
        if self._keep:
            self._fields = Headers(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in split_fields(head.forwardable)
            )

    def response(self, exchange: Exchange, head: ResponseHead, payload: bytes) -> None:
        self.response_head(exchange, head, len(payload), UNHURRIED)
        self.response_data((payload,))
        self.response_end(b"")

    def response_data(self, pieces: Sequence[Piece]) -> None:
        if self._keep:
            self._room -= sum(map(len, pieces))
            if self._room < 0:
                raise BadResponse("a body too large for a message")
            self._payload += pieces

    def response_end(self, trailers: bytes) -> None:
        if self._keep:
            body = b"".join(self._payload)
            response = HttpResponse(self._status, self._fields, body or None)
            route = self._exchange.route
            assert route is not None
            edits = route.response_headers
            self._exchange.response = response if edits is None else edits.edited(response)

    def flush(self) -> None:
        """What came is kept already."""

    def tunnel(self, exchange: Exchange, head: ResponseHead, other: Tunnel) -> Tunnel:
        raise AssertionError("nobody asked for a tunnel")

    def tunnel_begun(self) -> None:
        """There never is one."""


def _with_cookies(
    fields: list[tuple[str, str]], cookies: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The fields with these cookies before others, in the one Cookie line that there may be."""
    lines = [f"{name}={value}" for name, value in cookies.items()]
    lines += [value for name, value in fields if name.lower() == "cookie"]
    others = [(name, value) for name, value in fields if name.lower() != "cookie"]
    return [*others, ("Cookie", "; ".join(lines))]


def _listed(headers: Headers) -> frozenset[str]:
    """The fields that a Connection field makes hop-by-hop too, in lower case."""
    return frozenset(
        option
        for name, value in headers
        if name.lower() == "connection"
        for option in map(str.strip, value.lower().split(","))
        if may_be_dropped(option.encode("latin-1", "replace"))
    )


class _Unhurried:
    """The flow of what is there already."""

    def pause_reading(self) -> None:
        """There is nothing to wait for."""

    def resume_reading(self) -> None:
        """There is nothing that waits."""


UNHURRIED = _Unhurried()
