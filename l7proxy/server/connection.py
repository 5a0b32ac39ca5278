"""One client's connection: requests in, one after the other, responses out in the same order.

    READY ──head──> BUSY ──delivered──> READY, or LINGERING, or CLOSED
                      └──101──> TUNNEL ──> CLOSED

The next request is not begun before the present one has ended: what a client pipelines waits.
"""

from __future__ import annotations

import asyncio
from fcntl import ioctl
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from sys import byteorder
from termios import TIOCOUTQ
from typing import TYPE_CHECKING

from l7proxy.core.config.server import UNIX
from l7proxy.core.exchange import ENDED
from l7proxy.core.http.local_reply import CLIENT_TIMED_OUT, CONTENT_TOO_LARGE, LocalReply
from l7proxy.core.http.messages import Headers, HttpResponse
from l7proxy.http1 import (
    CHUNKED,
    UNTIL_CLOSE,
    BadRequest,
    body_reader,
    encode_chunk,
    last_chunk,
)
from l7proxy.http1.fields import split_fields
from l7proxy.http1.serialise import CONTINUE, field_block
from l7proxy.server.local_response import DATES, answer
from l7proxy.server.prepared import Prepared, StreamedRequest
from l7proxy.upstreams.http import RequestBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.routing.actions import HeaderEdits
    from l7proxy.http1 import RequestHead, ResponseHead
    from l7proxy.http1.body import Body
    from l7proxy.server.listener import Listener
    from l7proxy.server.service import Service
    from l7proxy.upstreams.http.downstream import Flow, Piece, Tunnel

READY = "ready"
BUSY = "busy"
TUNNEL = "tunnel"
LINGERING = "lingering"
CLOSED = "closed"

NEVER = float("inf")
RESET = pack("ii", 1, 0)
"""With this for SO_LINGER a socket that is closed is reset."""
LINGER = 2.0
"""Seconds for which a client may go on sending after it has taken the last response: a connection
closed with unread bytes would be reset, and the response lost with it."""
CLIENT_GONE = 499
"""What the access log tells of a request whose client went before there was an answer, as nginx's
does; nobody gets it."""
MAX_PENDING = 64 * 1024
"""Bytes of pipelined requests that are read ahead."""
_JOINED = 32 * 1024
"""Below this, joining pieces costs less than writing them one by one."""


class ClientConnection(asyncio.Protocol):
    """A client's connection, and the `Downstream` of the exchange it is busy with.

    `deadline` is when the client has been too slow (seconds), `NEVER` while it is not its turn.
    Whoever changes whose turn it is has `_await_client` set it.
    """

    __slots__ = (
        "_answered",
        "_closing",
        "_eof",
        "_exchange",
        "_fault",
        "_flow",
        "_framing",
        "_half_closed",
        "_held",
        "_listener",
        "_out",
        "_patience",
        "_paused",
        "_peer",
        "_pending",
        "_plain",
        "_prepared",
        "_reader",
        "_responding",
        "_scanned",
        "_sent",
        "_service",
        "_state",
        "_taking",
        "_time",
        "_transport",
        "_tunnel",
        "_untaken",
        "_write",
        "_write_batcher",
        "body",
        "deadline",
        "head",
        "method",
        "status",
        "upgrade",
    )

    _transport: asyncio.Transport
    _service: Service
    head: RequestHead

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._time = listener.loop.time
        self._state = READY
        self._pending = b""
        self._scanned = 0
        self._taking = False
        self._eof = False
        self._half_closed = False
        self._closing = False
        self._paused = False
        self._held = False
        self._untaken = 0
        self._patience = NEVER
        self._responding = False
        self._answered = False
        self._fault: LocalReply | None = None
        self._exchange: Exchange | None = None
        self._reader: Body | None = None
        self._flow: Flow | None = None
        self._framing = 0
        self._tunnel: Tunnel | None = None
        self._out: list[Piece] = []
        self._write_batcher = listener.service.write_batcher
        self._sent = 0
        self.method = ""
        self.status = 0
        self.body: RequestBody | None = None
        self.upgrade = False
        self.deadline = NEVER

    # The connection's life.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._write = self._transport.write
        listener = self._listener
        listener.connections.add(self)
        self._meet(listener.service)
        self.deadline = self._time() + self._service.timeouts.head

    def _meet(self, service: Service) -> None:
        """From the next request on, another configuration applies."""
        self._service = service
        peername = self._transport.get_extra_info("peername")
        address = peername[0] if isinstance(peername, tuple) else UNIX
        proto = b"http" if self._transport.get_extra_info("sslcontext") is None else b"https"
        self._peer = service.forwarding.peer(address, proto)
        self._plain = service.forwarding.plain_fields(self._peer)

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state is READY:
            if self._paused:
                # What it does not read it can't be waiting for: more requests have to wait.
                self._pending += data
                self._transport.pause_reading()
                return
            if self._pending:
                data = self._pending + data
            elif (
                self._listener.service is self._service
                and (head := self._service.known(data)) is not None
                and head.length == 0
            ):
                # The hot path: just what came before, on this or any other connection.
                self._begin(head, b"")
                return
            self._take(data)
        elif state is BUSY:
            if self._reader is not None and not self._reader.complete:
                self._take_body(data)
            else:
                self._pending += data
                if len(self._pending) > MAX_PENDING:
                    self._transport.pause_reading()
        elif state is TUNNEL:
            self._await_client()
            assert self._tunnel is not None
            self._tunnel.tunnel_data(data)

    def eof_received(self) -> bool:
        """A client that has said all it wants still gets its answers."""
        self._eof = True
        self._write_batcher.flush()
        state = self._state
        if state is BUSY:
            if self._reader is not None and not self._reader.complete:
                self._cancel()
                return False
            return self._transport.can_write_eof()
        if state is TUNNEL:
            assert self._tunnel is not None
            tunnel = self._tunnel
            tunnel.tunnel_end()
            if self._half_closed:
                tunnel.tunnel_lost()
            return self._transport.can_write_eof()
        if state is READY and self._paused and self._pending:
            return self._transport.can_write_eof()
        self._state = CLOSED
        self._await_client()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.lost(self)
        tunnel, self._tunnel = self._tunnel, None
        self._state = CLOSED
        if tunnel is not None:
            tunnel.tunnel_lost()
        else:
            self._cancel()

    def pause_writing(self) -> None:
        """The client reads more slowly than the response comes."""
        self._paused = True
        self._await_client()
        if self._flow is not None:
            self._flow.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._await_client()
        if self._flow is not None:
            self._flow.resume_reading()
        elif self._state is READY:
            self._transport.resume_reading()
            self._take_pending()

    def overdue(self) -> None:
        """The deadline has passed."""
        if self._has_to_take:
            self._look_what_it_took()
            return
        self.deadline = NEVER
        if self._state is READY and self._pending:
            self._refuse(CLIENT_TIMED_OUT, self._pending)
        elif self._state is BUSY:
            self._break_off(CLIENT_TIMED_OUT)
        else:
            self.abort()

    def drain(self) -> None:
        """Ends the connection with the request that it is busy with, or now if there is none."""
        if self._state is READY and not self._pending:
            self._close()

    # Whose turn it is, and how long the client may take.

    @property
    def _has_to_take(self) -> bool:
        """Whether it is for the client to take what it is sent, and then perhaps to close."""
        return self._paused or self._state is LINGERING or self._state is CLOSED

    def _await_client(self) -> None:
        """Sets the deadline by what the client is to do next, which it begins to do now."""
        now, state, timeouts = self._time(), self._state, self._service.timeouts
        seconds = NEVER
        if self._has_to_take:
            self._untaken = self._count_untaken()
            self._patience = now + timeouts.write
            seconds = min(LINGER, timeouts.write)
        elif state is READY:
            seconds = timeouts.head if self._scanned else timeouts.idle
        elif state is TUNNEL:
            seconds = timeouts.tunnel
        elif self.body is not None and not self.body.complete and not self._held:
            seconds = timeouts.body
        self.deadline = now + seconds

    def _go_on_waiting(self) -> None:
        """The same after what doesn't free the client from taking what waits for it."""
        if not self._paused:
            self._await_client()

    def _look_what_it_took(self) -> None:
        """Goes on waiting for a client that still takes something, now and then."""
        now, untaken = self._time(), self._count_untaken()
        if untaken < self._untaken:
            self._patience = now + self._service.timeouts.write
        elif not untaken or now >= self._patience:
            self.deadline = NEVER
            self.abort()
            return
        self._untaken = untaken
        self.deadline = now + min(LINGER, self._service.timeouts.write)

    def _count_untaken(self) -> int:
        """How many bytes are on their way to the client, here and in the kernel."""
        return self._transport.get_write_buffer_size() + _unacknowledged(self._transport)

    # Requests.

    def _take(self, data: bytes) -> None:
        """Begins the requests in `data`, one after the other as they end."""
        service = self._listener.service
        if service is not self._service:
            self._meet(service)
        self._taking = True
        while True:
            try:
                parsed = service.parse(data, 0, self._scanned)
            except BadRequest as error:
                self._pending = b""
                self._refuse(error.local_reply, data)
                break
            if parsed is None:
                if not self._scanned:
                    self.deadline = self._time() + service.timeouts.head
                self._pending = data
                self._scanned = len(data)
                if self._eof:
                    self._close()
                break
            self._scanned = 0
            head, end = parsed
            self._begin(head, data[end:])
            if self._state is not READY:
                break
            data = self._pending
            if self._paused or not data:
                if self._eof and not data:
                    self._close()
                break
        self._taking = False

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        """Begins a request; `rest` is what has come behind its head."""
        now = self._time()
        service = self._service
        self.head = head
        self.method = head.method
        peer = self._peer
        client_ip = service.forwarding.client_ip(peer, head) if peer.trusted else peer.address
        ready: Prepared = head.derived or service.prepare(head, client_ip)
        self._prepared = ready
        self.upgrade = ready.upgrade is not None
        self._state = BUSY
        self._responding = self._answered = False
        self.deadline = NEVER
        if head.length == 0:
            self.body = None
            self._pending = rest
            request = ready.request
            if request.client_ip != client_ip:
                request = ready.request_of(client_ip)
        elif (body := self._begin_body(head, rest)) is None:
            return
        else:
            request = StreamedRequest(
                self.method, ready.target, ready.headers, client_ip, body, self._time
            )
        exchange = service.dispatcher.open(request, self, now, ready.parsed, route=ready.route)
        if exchange.state is not ENDED:
            self._exchange = exchange
            if self.body is not None and not self.body.complete:
                self._await_client()
                # Once some of the body has come, nobody waits for a 100.
                if head.expect_continue and not self.body.size:
                    self._send(CONTINUE)

    # A request's body.

    def _begin_body(self, head: RequestHead, rest: bytes) -> RequestBody | None:
        """Takes what has come of the body. None where it is refused at once."""
        service = self._service
        limit = service.max_body
        if limit is not None and head.length > limit:
            self._refuse(CONTENT_TOO_LARGE)
            return None
        self.body = body = RequestBody(
            self, chunked=head.length == CHUNKED, limit=service.replay_limit
        )
        self._reader = body_reader(head.length)
        self._pending = b""
        try:
            self._read_body(rest)
        except BadRequest as error:
            self._refuse(error.local_reply)
            return None
        if limit is not None and body.size > limit:
            self._refuse(CONTENT_TOO_LARGE)
            return None
        return body

    def _read_body(self, data: bytes) -> None:
        reader, body = self._reader, self.body
        assert reader is not None and body is not None
        pieces, end = reader.feed(data)
        if pieces:
            body.add(pieces)
        if reader.complete:
            self._pending = data[end:]
            body.end(reader.trailers)

    def _take_body(self, data: bytes) -> None:
        body, exchange = self.body, self._exchange
        assert body is not None and exchange is not None
        try:
            self._read_body(data)
        except BadRequest as error:
            self._break_off(error.local_reply)
            return
        limit = self._service.max_body
        if limit is not None and body.size > limit:
            self._break_off(CONTENT_TOO_LARGE)
            return
        if not body.repeatable:
            exchange.repeatable = False
        self._go_on_waiting()

    # The flow of the request's body: see `Flow`.

    def pause_reading(self) -> None:
        self._held = True
        self._transport.pause_reading()
        self._go_on_waiting()

    def resume_reading(self) -> None:
        self._held = False
        self._transport.resume_reading()
        self._go_on_waiting()

    # The exchange's downstream: see `Downstream`.

    def request_head(self, exchange: Exchange) -> bytes:
        ready, plain = self._prepared, self._plain
        if plain is not None:
            start = ready.starts.get(exchange.route) or ready.start(self.head, exchange)
            if start is not None:
                return start + plain
        assert exchange.route is not None
        fields = self._service.forwarding.fields(self._peer, self.head, exchange.route)
        return ready.bare_start(self.head, exchange) + fields

    def interim(self, head: ResponseHead) -> None:
        # The 100 was the proxy's to send: the client may have seen one already.
        if head.status != 100 and self.head.minor:
            self._send(head.line + head.forwardable + b"\r\n")

    def response_head(
        self, exchange: Exchange, head: ResponseHead, length: int, flow: Flow
    ) -> None:
        self._flow = flow
        if self._paused:
            flow.pause_reading()
        self._out.append(self._head_for_client(exchange, head, length))

    def response(self, exchange: Exchange, head: ResponseHead, payload: bytes) -> None:
        length = len(payload)
        out = self._head_for_client(exchange, head, length)
        self._answered = True
        self._sent += length
        if length < _JOINED:
            self._write_batcher.put(self._write, out + payload)
        else:
            self._out += (out, payload)

    def _head_for_client(self, exchange: Exchange, head: ResponseHead, length: int) -> bytes:
        """The response's head as this client gets it; also settles how the body is framed."""
        self._responding = True
        self.status = head.status
        self._framing = length
        self._closing = closing = self._must_close()
        via = self._service.forwarding.via
        assert exchange.route is not None
        edits = exchange.route.response_headers
        if (
            closing
            or via
            or edits is not None
            or length < 0
            or not self.head.minor
            or not head.fields.has_date
        ):
            fields = head.forwardable if edits is None else _edited(head, edits)
            more = self._more_fields(head, length)
            return b"%b%b%b%b\r\n" % (head.line, fields, via, more)
        out: bytes | None = head.derived
        if out is None:
            out = head.derived = b"%b%b\r\n" % (head.line, head.forwardable)
        return out

    def _must_close(self) -> bool:
        """Whether this response is the connection's last.

        While some of the request's body is still to come, what comes next can't be a request.
        """
        body = self.body
        return (
            not self.head.keep_alive
            or self._listener.draining
            or (body is not None and not body.complete)
        )

    def _more_fields(self, head: ResponseHead, length: int) -> bytes:
        """The fields about the connection to this client, and Date where the backend sent none."""
        more = b"" if head.fields.has_date else DATES.line()
        if length < 0:
            if self.head.minor:
                self._framing = CHUNKED
                more += b"Transfer-Encoding: chunked\r\n"
            else:
                self._framing = UNTIL_CLOSE
                self._closing = True
        if self._closing:
            more += b"Connection: close\r\n"
        elif not self.head.minor:
            more += b"Connection: keep-alive\r\n"
        return more

    def response_data(self, pieces: Sequence[Piece]) -> None:
        self._sent += sum(map(len, pieces))
        self._out += encode_chunk(pieces) if self._framing == CHUNKED else pieces

    def response_end(self, trailers: bytes) -> None:
        self._answered = True
        if self._framing == CHUNKED:
            self._out.append(last_chunk(trailers))

    def flush(self) -> None:
        out = self._out
        self._write_batcher.flush()
        if not out:
            return
        self._out = []
        if self._state is CLOSED:
            return
        if len(out) == 1:
            self._write(out[0])
        elif sum(map(len, out)) < _JOINED:
            self._write(b"".join(out))
        else:
            for piece in out:
                self._write(piece)

    def _send(self, data: Piece) -> None:
        self._out.append(data)
        self.flush()

    # The end of an exchange.

    def delivered(self, exchange: Exchange, now: float) -> None:
        """The exchange has ended: what it has for the client goes out, the next one may begin."""
        self._exchange = None
        self._flow = None
        if self._state is not BUSY:
            self._log_cut_short(exchange, now)
            self._close()
            return
        if self._answered:
            if self._out:
                self.flush()
            if self._service.access_log is not None:
                self._log(exchange, now)
            self._end(now)
            return
        response = exchange.response
        if self._fault is not None and not self._responding:
            self._closing = True
            self._give(HttpResponse(self._fault.status), self._fault, self.head)
        elif response is not None and not self._responding:
            self._answer(exchange, response)
        else:
            self._log_cut_short(exchange, now)
            self._cut_short()
            return
        self.flush()
        self._log(exchange, now)
        self._end(now)

    def _answer(self, exchange: Exchange, response: HttpResponse) -> None:
        self._closing = self._must_close()
        set_cookie = exchange.set_cookie_header
        if set_cookie is not None:
            fields = (*(response.headers or ()), ("Set-Cookie", set_cookie))
            response = HttpResponse(response.status, Headers(fields), response.body)
        self._give(response, exchange.local_reply, self.head)

    def _give(
        self, response: HttpResponse, local_reply: LocalReply | None, head: RequestHead | None
    ) -> None:
        """Has an answer of the proxy's own go out next; `head` is None where it was bad."""
        self.status = response.status
        head_out, body = answer(response, local_reply, head, close=self._closing)
        self._sent = len(body)
        self._out += (head_out, body)

    def _end(self, now: float) -> None:
        """The response is out: on to the next request, or to the end of the connection."""
        self._sent = 0
        if self._closing:
            self._linger()
            return
        self.body = self._reader = None
        self._state = READY
        if not self._paused:
            self.deadline = now + self._service.timeouts.idle
        if not self._taking and (self._pending or self._eof):
            self._take_pending()

    def _take_pending(self) -> None:
        """Goes on with what was pipelined, if the client reads the answers."""
        pending = self._pending
        if pending:
            if not self._paused:
                if len(pending) > MAX_PENDING:
                    self._transport.resume_reading()
                self._pending = b""
                self._take(pending)
        elif self._eof:
            self._close()

    def _log(self, exchange: Exchange, now: float) -> None:
        log = self._service.access_log
        if log is not None:
            log.add(exchange, self.head, self.status, self._sent, now)

    def _log_cut_short(self, exchange: Exchange, now: float) -> None:
        if not self._responding:
            self.status = CLIENT_GONE
        self._log(exchange, now)

    # Ends before their time.

    def _refuse(self, local_reply: LocalReply, said: bytes = b"") -> None:
        """Answers what never became an exchange, and closes.

        `said` is what came in place of a request's head, where that was bad.
        """
        head = self.head if self._state is BUSY else None
        self._closing = True
        self._give(HttpResponse(local_reply.status), local_reply, head)
        self.flush()
        log = self._service.access_log
        if log is not None:
            client_ip = self._peer.address
            if head is not None:
                client_ip = self._service.forwarding.client_ip(self._peer, head)
            log.refused(head or said, client_ip, local_reply.status, self._sent, self._time())
        self._linger()

    def _break_off(self, fault: LocalReply) -> None:
        """The client's request turned out bad on its way: answers that if it still can be."""
        self._fault = fault
        self._cancel()

    def _cancel(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            now = self._time()
            self._service.dispatcher.cancel(exchange, now)
            self.delivered(exchange, now)

    def _cut_short(self) -> None:
        """The response can't be completed, and the client must not take it for complete."""
        if self._framing == UNTIL_CLOSE:
            # An orderly end would be the end of the body.
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
            self.abort()
        else:
            self.flush()
            self._close()

    def _linger(self) -> None:
        """Closes once the client has closed, or soon."""
        self._pending = b""
        # TLS has no half-closed connections: the client would not know that it may close.
        if self._eof or not self._transport.can_write_eof():
            self._close()
            return
        self._write_batcher.flush()
        self._state = LINGERING
        self._await_client()
        self._transport.write_eof()
        self._transport.resume_reading()

    def _close(self) -> None:
        self._write_batcher.flush()
        self._state = CLOSED
        self._await_client()
        self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self._state = CLOSED
        self._transport.abort()
        self._cancel()

    # A tunnel: see `Tunnel`.

    def tunnel(self, exchange: Exchange, head: ResponseHead, other: Tunnel) -> Tunnel:
        self._state = TUNNEL
        self._tunnel = other
        self._flow = other
        self._responding = True
        self.status = head.status
        upgrade = head.fields.upgrade or b""
        self._send(
            b"%b%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
            % (head.line, head.forwardable, upgrade)
        )
        self._await_client()
        return self

    def tunnel_begun(self) -> None:
        early, self._pending = self._pending, b""
        other = self._tunnel
        assert other is not None
        if early:
            if len(early) > MAX_PENDING:
                self._transport.resume_reading()
            other.tunnel_data(early)
        if self._eof:
            other.tunnel_end()

    def tunnel_data(self, data: bytes) -> None:
        self._go_on_waiting()
        self._sent += len(data)
        self._send(data)

    def tunnel_end(self) -> None:
        self._half_closed = True
        self._write_batcher.flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def tunnel_lost(self) -> None:
        self._tunnel = None
        self._close()


def _unacknowledged(transport: asyncio.Transport) -> int:
    """How many bytes the kernel has that the other end has not acknowledged; 0 if it can't say."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return 0
    count = bytearray(4)
    try:
        ioctl(sock.fileno(), TIOCOUTQ, count)
    except OSError:
        return 0
    return int.from_bytes(count, byteorder)


def _edited(head: ResponseHead, edits: HeaderEdits) -> bytes:
    """The response's fields as the route changes them."""
    pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in split_fields(head.forwardable)]
    return field_block(edits.apply(pairs))
