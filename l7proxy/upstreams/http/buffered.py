"""Requests that are there as a whole, and responses that are kept as a whole, or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.http.messages import Headers, HttpResponse
from l7proxy.http1 import BadResponse
from l7proxy.http1.fields import text_fields
from l7proxy.upstreams.http.request_body import RequestBody
from l7proxy.upstreams.http.request_head import buffered_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.core.exchange import Exchange
    from l7proxy.http1 import ResponseHead
    from l7proxy.upstreams.http.downstream import Flow, Piece, Tunnel
    from l7proxy.upstreams.http.response_memory import ResponseMemory


class Buffered:
    """The `Downstream` of an exchange whose request is there with all of its body.

    With `keep` the response becomes `exchange.response`, unless its body has more than `limit`
    bytes; without, it is dropped. `memory` is what it shares with others. With `overwrite` the
    backend is told who the client is in place of what the client says about that.
    """

    upgrade = False

    def __init__(
        self,
        exchange: Exchange,
        *,
        keep: bool,
        limit: int = 0,
        memory: ResponseMemory | None = None,
        overwrite: bool = False,
    ) -> None:
        request = exchange.request
        self._exchange = exchange
        self._keep = keep
        self._overwrite = overwrite
        self._room = limit
        self._memory = memory
        self._flow: Flow = UNHURRIED
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
            self._head = buffered_head(exchange, overwrite=self._overwrite)
        return self._head

    def interim(self, head: ResponseHead) -> None:
        """Ignores interim responses."""

    def response_head(
        self, exchange: Exchange, head: ResponseHead, length: int, flow: Flow
    ) -> None:
        self._status = head.status
        self._flow = flow
        if self._keep:
            self._fields = Headers(text_fields(head.forwardable))

    def response(self, exchange: Exchange, head: ResponseHead, payload: bytes) -> None:
        self.response_head(exchange, head, len(payload), UNHURRIED)
        self.response_data((payload,))
        self.response_end(b"")

    def response_data(self, pieces: Sequence[Piece]) -> None:
        if self._keep:
            came = sum(map(len, pieces))
            self._room -= came
            if self._room < 0:
                raise BadResponse("a body too large for a message")
            self._payload += pieces
            if self._memory is not None:
                self._memory.take(self._exchange, came, self._flow)

    def response_end(self, trailers: bytes) -> None:
        if self._keep:
            body = b"".join(self._payload)
            self._payload.clear()
            if self._memory is not None:
                self._memory.give_back(self._exchange)
            response = HttpResponse(self._status, self._fields, body or None)
            route = self._exchange.route
            assert route is not None
            edits = route.response_headers
            if edits is not None:
                response = edits.of(self._exchange).edited(response)
            self._exchange.response = response

    def flush(self) -> None:
        """Does nothing: the response is kept, not passed on."""

    def tunnel(self, exchange: Exchange, head: ResponseHead, other: Tunnel) -> Tunnel:
        raise AssertionError("nobody asked for a tunnel")

    def tunnel_begun(self) -> None:
        """Is never called: no tunnel is asked for."""


class _Unhurried:
    """The `Flow` of payload that is there already: pausing it changes nothing."""

    def pause_reading(self) -> None:
        """Does nothing."""

    def resume_reading(self) -> None:
        """Does nothing."""


UNHURRIED = _Unhurried()
