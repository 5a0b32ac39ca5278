"""The request that a client's connection is busy with, and what becomes of it.

    WAITING ──a response──> RESPONDING ──its end──> ANSWERED
       │ └──────────────a whole response────────────────^ ^
       └────────────────an answer of the proxy's own──────┘

- WAITING: there is no response yet.
- RESPONDING: a response has begun, or a tunnel.
- ANSWERED: the response is complete, or there has been no request yet.

Whether the request's body is complete or held back is its `RequestBody`'s to say: a response may
begin, and even end, before it is there.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from l7proxy.core.config.server import UNIX
from l7proxy.core.exchange_state import ENDED
from l7proxy.core.http.local_reply import CONTENT_TOO_LARGE, LocalReply
from l7proxy.core.http.messages import Headers, HttpResponse
from l7proxy.http1 import CHUNKED, BadRequest, body_reader
from l7proxy.server.client_timer import BODY, NOTHING
from l7proxy.server.prepared import StreamedRequest, request_of
from l7proxy.upstreams.http import RequestBody
from l7proxy.upstreams.http.request_head import streamed_head

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from l7proxy.core.exchange import Exchange
    from l7proxy.http1 import RequestHead, ResponseHead
    from l7proxy.http1.body import Body
    from l7proxy.server.client_timer import Turn
    from l7proxy.server.connection import ClientConnection
    from l7proxy.server.forwarding import Peer
    from l7proxy.server.listener import Listener
    from l7proxy.server.response_writer import ResponseWriter
    from l7proxy.server.service import Service
    from l7proxy.upstreams.http.downstream import Flow, Piece, Tunnel

CLIENT_GONE = 499
"""What the access log tells of a request whose client went before there was an answer, as nginx's
does; nobody gets it."""


class State(Enum):
    """How far a request has come: see the module."""

    WAITING = "waiting"
    RESPONDING = "responding"
    ANSWERED = "answered"


WAITING = State.WAITING
RESPONDING = State.RESPONDING
ANSWERED = State.ANSWERED


class ClientRequest:
    """One request after the other of a connection; to its exchange it is the `Downstream`.

    The connection hears of its end by `request_ended`, `linger` or `cut_short`.
    """

    __slots__ = (
        "_connection",
        "_exchange",
        "_listener",
        "_peer",
        "_reader",
        "_request",
        "_service",
        "_state",
        "_time",
        "_transport",
        "_writer",
        "body",
        "head",
        "method",
    )

    _peer: Peer
    _request: StreamedRequest
    _service: Service
    head: RequestHead

    def __init__(
        self,
        connection: ClientConnection,
        listener: Listener,
        transport: asyncio.Transport,
        writer: ResponseWriter,
    ) -> None:
        self._connection = connection
        self._listener = listener
        self._time: Callable[[], float] = listener.time
        self._transport = transport
        self._writer = writer
        self._state = ANSWERED
        self._exchange: Exchange | None = None
        """None also while it is being opened."""
        self._reader: Body | None = None
        self.method = ""
        self.body: RequestBody | None = None

    # What the connection does.

    def serve_by(self, service: Service) -> None:
        """Has a configuration apply to the next request."""
        self._service = service
        peername = self._transport.get_extra_info("peername")
        address = peername[0] if isinstance(peername, tuple) else UNIX
        proto = b"http" if self._transport.get_extra_info("sslcontext") is None else b"https"
        self._peer = service.forwarding.peer(address, proto)

    def begin(self, head: RequestHead, data: bytes, start: int) -> int:
        """Begins a request; `data[start:]` is what has come behind its head.

        Returns the index behind what was taken of that: the whole request, where it is there, or
        as much of a body as may be taken at a time.
        """
        now = self._time()
        service, peer = self._service, self._peer
        self.head = head
        self.method = head.method
        request: StreamedRequest | None = head.derived
        if head.has_claims:
            client_ip = service.forwarding.client_ip(peer, head)
            request = request_of(head, client_ip, trusted=peer.trusted)
        elif request is None or request.client_ip != peer.address:
            request = request_of(head, peer.address)
        self._request = request
        self._state = WAITING
        body = None
        if head.length != 0:
            body, fault = self._new_body(head)
            if fault is None:
                start, fault = self._read_body(data, start)
            if fault is not None:
                self.refuse(fault, head)
                return len(data)
            request.stream(body, self._time)
        exchange = service.dispatcher.open(request, self, now, request.parsed)
        request.parsed = exchange.target
        if exchange.state is not ENDED:
            self._exchange = exchange
            if body is not None and not body.complete:
                self._connection.await_client()
                # Once some of the body has come, nobody waits for a 100.
                if head.expect_continue and not body.size:
                    self._writer.proceed()
        return start

    def receive(self, data: bytes, start: int) -> int:
        """Takes more of a body that is not complete; returns the index behind what was taken."""
        body, exchange = self.body, self._exchange
        assert body is not None and exchange is not None
        end, fault = self._read_body(data, start)
        if fault is not None:
            self.break_off(fault)
            return len(data)
        if not body.repeatable:
            exchange.repeatable = False
        self._connection.go_on_waiting()
        return end

    @property
    def upgrade(self) -> bool:
        """Whether it asks to leave HTTP."""
        return self._request.upgrade is not None

    @property
    def outlasts_client(self) -> bool:
        """Whether its answer is wanted by a client that has closed its side of the connection.

        Nearly always that is a client that has given up. One that has announced it, or that knows
        no other way to end, may well be waiting.
        """
        head = self.head
        return not head.keep_alive or not head.minor or self._service.half_closed_clients

    @property
    def expects_body(self) -> bool:
        """Whether some of the body is still to come."""
        body = self.body
        return body is not None and not body.complete

    @property
    def is_paused(self) -> bool:
        """Whether no more of the body can be taken for now."""
        body = self.body
        return body is not None and body.paused

    @property
    def turn(self) -> Turn:
        """What the client is to do about it."""
        body = self.body
        return BODY if body is not None and not body.complete and not body.paused else NOTHING

    def refuse(self, fault: LocalReply, head: RequestHead | None, said: bytes = b"") -> None:
        """Answers what never became an exchange, and has the connection linger.

        `said` is what came in place of a request's head, where that was bad.
        """
        writer = self._writer
        is_head = said.lstrip(b"\r\n").startswith(b"HEAD ")
        writer.local(HttpResponse(fault.status), fault, head, last=True, with_body=not is_head)
        log = self._service.access_log
        if log is not None:
            client_ip = self._peer.address
            if head is not None:
                client_ip = self._service.forwarding.client_ip(self._peer, head)
            longest = self._service.config.server.limits.line
            sent, now, peer = writer.sent, self._time(), self._peer.address
            log.refused(head or said, client_ip, fault.status, sent, now, longest, peer)
        self._connection.linger()

    def break_off(self, fault: LocalReply) -> None:
        """The request has turned out bad on its way: answers that if it still can be."""
        exchange = self._exchange
        assert exchange is not None
        if self._state is not WAITING:
            self.abandon()
            self._connection.cut_short()
            return
        now = self._time()
        self._exchange = None
        self._service.dispatcher.cancel(exchange, now)
        exchange.local_reply = fault
        self._writer.local(HttpResponse(fault.status), fault, self.head, last=True)
        self._log(exchange, now)
        self._connection.linger()

    def abandon(self) -> None:
        """Gives up the exchange that is under way, if any: its client gets no more of it."""
        exchange = self._exchange
        if exchange is not None:
            now = self._time()
            self._exchange = None
            self._service.dispatcher.cancel(exchange, now)
            self._log_cut_short(exchange, now)

    # The body.

    def _new_body(self, head: RequestHead) -> tuple[RequestBody, LocalReply | None]:
        service = self._service
        limit = service.max_body
        fault = CONTENT_TOO_LARGE if limit is not None and head.length > limit else None
        self._reader = body_reader(head.length)
        self.body = body = RequestBody(
            self, chunked=head.length == CHUNKED, limit=service.replay_limit
        )
        return body, fault

    def _read_body(self, data: bytes, start: int) -> tuple[int, LocalReply | None]:
        """Passes on what has come of the body; returns the index behind it, and what is wrong."""
        reader, body = self._reader, self.body
        assert reader is not None and body is not None
        try:
            pieces, end = reader.feed(data, start)
        except BadRequest as error:
            return len(data), error.local_reply
        if pieces:
            body.add(pieces)
        if reader.complete:
            body.end(reader.trailers)
        limit = self._service.max_body
        if limit is not None and body.size > limit:
            return len(data), CONTENT_TOO_LARGE
        return end, None

    # The flow of the body: see `Flow`.

    def pause_reading(self) -> None:
        self._transport.pause_reading()
        self._connection.go_on_waiting()

    def resume_reading(self) -> None:
        self._connection.read_on()
        self._connection.go_on_waiting()

    # What the upstream does: see `Downstream`.

    def request_head(self, exchange: Exchange) -> bytes:
        request, route, plain = self._request, exchange.route, self._peer.plain
        if plain is not None and request.sent_by is route:
            return request.sent + plain
        assert route is not None
        about = self._service.forwarding.fields(self._peer, self.head, route.request_headers)
        written = streamed_head(exchange, self.head, about, request.hops_left, request.upgrade)
        if plain is not None and request.parsed is not None and self.head.authority:
            # It is not the first with this head, and most likely not the last: a route always does
            # the same to a head. (Without a host of its own each backend gets another.)
            request.remember(route, written, plain)
        return written

    def interim(self, head: ResponseHead) -> None:
        # The 100 was the proxy's to send: the client may have seen one already.
        if head.status != 100 and self.head.minor:
            self._writer.interim(head)

    def response(self, exchange: Exchange, head: ResponseHead, payload: bytes) -> None:
        self._state = ANSWERED
        request, body, route = self.head, self.body, exchange.route
        assert route is not None
        # The hot path: this is `_is_last`.
        last = (
            not request.keep_alive
            or self._listener.draining
            or (body is not None and not body.complete)
        )
        edits = route.response_headers
        if edits is not None:
            edits = edits.of(exchange)
        self._writer.response(request, head, edits, payload, last=last)

    def response_head(
        self, exchange: Exchange, head: ResponseHead, length: int, flow: Flow
    ) -> None:
        self._state = RESPONDING
        assert exchange.route is not None
        edits = exchange.route.response_headers
        if edits is not None:
            edits = edits.of(exchange)
        self._writer.begin(self.head, head, edits, length, flow, last=self._is_last())

    def response_data(self, pieces: Sequence[Piece]) -> None:
        self._writer.data(pieces)

    def response_end(self, trailers: bytes) -> None:
        self._state = ANSWERED
        self._writer.end(trailers)

    def flush(self) -> None:
        self._writer.flush()

    def _is_last(self) -> bool:
        """Whether a response that begins now is the connection's last.

        While some of the request's body is still to come, what comes next can't be a request.
        """
        return not self.head.keep_alive or self._listener.draining or self.expects_body

    def tunnel(self, exchange: Exchange, head: ResponseHead, other: Tunnel) -> Tunnel:
        self._state = RESPONDING
        if self.head.expect_continue:
            # What it expects comes first (RFC 9110, 7.8).
            self._writer.proceed()
        self._writer.switch(head, other)
        return self._connection.begin_tunnel(other)

    def tunnel_begun(self) -> None:
        self._connection.tunnel_begun()

    # The end of an exchange.

    def delivered(self, exchange: Exchange, now: float) -> None:
        """The exchange has ended: what it has for the client goes out, the next one may begin."""
        was_open = self._exchange is not None
        self._exchange = None
        state, writer = self._state, self._writer
        if state is ANSWERED:
            if writer.unsent:
                writer.flush()
        elif state is WAITING and exchange.response is not None:
            self._answer(exchange, exchange.response)
        else:
            self._log_cut_short(exchange, now)
            self._connection.cut_short()
            return
        if self._service.access_log is not None:
            self._log(exchange, now)
        if self.body is not None:
            self.body = self._reader = None
        self._connection.request_ended(now, was_open)

    def _answer(self, exchange: Exchange, response: HttpResponse) -> None:
        """Answers what the core has in full."""
        set_cookie = exchange.set_cookie_header
        if set_cookie is not None:
            fields = (*(response.headers or ()), ("Set-Cookie", set_cookie))
            response = HttpResponse(response.status, Headers(fields), response.body)
        self._writer.local(response, exchange.local_reply, self.head, last=self._is_last())

    def _log(self, exchange: Exchange, now: float) -> None:
        log = self._service.access_log
        if log is not None:
            writer = self._writer
            log.add(exchange, self.head, writer.status, writer.sent, now, self._peer.address)

    def _log_cut_short(self, exchange: Exchange, now: float) -> None:
        log = self._service.access_log
        if log is not None and self._state is WAITING:
            log.add(exchange, self.head, CLIENT_GONE, 0, now, self._peer.address)
        else:
            self._log(exchange, now)
