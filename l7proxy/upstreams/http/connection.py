"""One connection to a backend, and the attempt on it.

`connection_state` has the picture.

The hot path is a request without a body whose whole response comes in one read: one write to the
backend, one call of `data_received`, one write to the client.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from l7proxy.core.config.policies import IDEMPOTENT
from l7proxy.core.http.local_reply import GARBAGE, RESET, TIMED_OUT
from l7proxy.http1 import TUNNEL as TUNNEL_LENGTH
from l7proxy.http1 import UNTIL_CLOSE, BadResponse, body_reader, check_interims
from l7proxy.upstreams.http.connection_state import CLOSED, IDLE, READING, TUNNEL, WAITING
from l7proxy.upstreams.http.fair_queue import LARGE_READ
from l7proxy.upstreams.http.headers import WireHeaders, with_session
from l7proxy.upstreams.http.paced_reading import PacedReading
from l7proxy.upstreams.http.readable import left_unread, readable
from l7proxy.upstreams.http.tunnel import BackendTunnel
from l7proxy.upstreams.http.write_batcher import write_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.http1 import ResponseHead
    from l7proxy.http1.body import Body
    from l7proxy.upstreams.http.downstream import Downstream, Piece
    from l7proxy.upstreams.http.pool import ConnectionPool
    from l7proxy.upstreams.http.request_body import RequestBody
    from l7proxy.upstreams.http.write_batcher import Put


NEVER = float("inf")


class BackendConnection(asyncio.Protocol):
    """A connection that has one exchange at a time.

    `stalled_since` is when the body that is under way last moved (seconds), `NEVER` where nothing
    is expected to: a response that has not begun is watched by the exchange, and one whose client
    can't keep up by the client's side. An idle connection that `is_readable` has no good news.
    """

    __slots__ = (
        "_abandon",
        "_body",
        "_downstream",
        "_exchange",
        "_interims",
        "_pace",
        "_parse",
        "_pending",
        "_pool",
        "_reader",
        "_reusable",
        "_served",
        "_spent",
        "_state",
        "_time",
        "_transport",
        "_tunnel",
        "_write",
        "idle_since",
        "is_readable",
        "stalled_since",
    )

    _pace: PacedReading
    _transport: asyncio.Transport
    is_readable: Callable[[], object]

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._parse = pool.parser.parse
        self._time = pool.time
        self._abandon = self.abort
        self._state = IDLE
        self._exchange: Exchange | None = None
        self._downstream: Downstream | None = None
        self._body: RequestBody | None = None
        self._reader: Body | None = None
        self._tunnel: BackendTunnel | None = None
        self._pending = b""
        self._reusable = False
        self._served = False
        self._spent = False
        """Whether no other request may follow, whatever the response says."""
        self._interims = 0
        self.idle_since = 0.0
        self.stalled_since = NEVER

    # What the pool and the upstream do.

    @property
    def peer(self) -> tuple[str, int] | None:
        """The host and port that it is connected to over TCP; None once it is cut."""
        address = self._transport.get_extra_info("peername")
        return None if address is None else (address[0], address[1])

    def send(self, exchange: Exchange, downstream: Downstream, now: float, put: Put) -> None:
        """Sends the exchange's request, a head alone by `put`; the rest is for `downstream`."""
        self._exchange = exchange
        self._state = WAITING
        exchange.on_abandon = self._abandon
        self._downstream = downstream
        body = downstream.body
        head = downstream.request_head(exchange)
        if body is None:
            put(self._write, head)
            return
        self._body = body
        self._write(b"".join((head, *body.attach(self, exchange.route))))
        exchange.repeatable = body.repeatable
        if body.complete and not exchange.has_deadline:
            # The rest of it came while the connection was being made.
            exchange.started(now)

    def stalled(self) -> None:
        """Fails the attempt, because the body has not moved for too long."""
        self._fail(TIMED_OUT.with_detail("its body stands still"))

    def abort(self) -> None:
        """Gives up what is under way, without telling the exchange."""
        self._detach()
        self._state = CLOSED
        self._transport.abort()

    def close(self) -> None:
        """Closes a connection that nothing is under way on."""
        self._state = CLOSED
        if self._transport.get_write_buffer_size():
            # What is left of a request that was answered early: nobody need wait for it to go.
            self._transport.abort()
        else:
            self._transport.close()

    # The request's body: see `RequestBody`.

    def body_data(self, pieces: Sequence[Piece]) -> None:
        write_pieces(self._write, pieces)

    def body_end(self) -> None:
        exchange = self._exchange
        if exchange is not None and self._state is WAITING:
            self.stalled_since = NEVER
            exchange.started(self._time())

    def pause_writing(self) -> None:
        if self._body is not None:
            self._body.pause()
            self.stalled_since = self._time()
        elif self._tunnel is not None:
            self._tunnel.client.pause_reading()

    def resume_writing(self) -> None:
        if self._body is not None:
            self._body.resume()
            if self._state is WAITING:
                self.stalled_since = NEVER
        elif self._tunnel is not None:
            self._tunnel.client.resume_reading()

    # The response.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._write = self._transport.write
        self._pace = PacedReading(self._transport, self._pool.fair_queue, self.data_received)
        self.is_readable = readable(self._transport)
        self._pool.connections.add(self)

    def data_received(self, data: bytes) -> None:
        state = self._state
        try:
            if state is WAITING:
                self._read_head(data)
            elif state is READING:
                if self._pace.rest:
                    self._pace.rest += data
                else:
                    self._read_body(data, 0)
            elif state is TUNNEL:
                assert self._tunnel is not None
                self._tunnel.client.tunnel_data(data)
            elif state is IDLE:
                # Nobody asked: whatever it is, it must not become the answer to the next request.
                self._pool.lost(self)
                self.close()
        except BadResponse as error:
            self._fail(GARBAGE.with_detail(error.reason))

    def _read_head(self, data: bytes) -> None:
        """Reads what has come of the response's head, and what is behind it."""
        scanned = len(self._pending)
        if scanned:
            data = self._pending + data
            self._pending = b""
        parsed = self._parse(data, 0, scanned)
        if parsed is None:
            self._pending = data
            return
        head, end = parsed
        if head.interim:
            self._pass_interim(head, data[end:])
            return
        exchange, downstream = self._exchange, self._downstream
        assert exchange is not None and downstream is not None
        length = head.length
        if downstream.method != "GET" or head.status == 101:
            length = head.body_length(downstream.method, upgrade_asked=downstream.upgrade)
        now = self._time()
        pool = exchange.pool
        assert pool is not None
        # The core looks at a response's fields only where it learns sessions from them.
        headers = None if pool.affinity is None else WireHeaders(head.block)
        if not exchange.responded(head.status, now, headers):
            self._drop_response(head, length, len(data) - end)
            exchange.dispatch(exchange, now)
            return
        if headers is not None:
            head = with_session(head, exchange)
        if length == len(data) - end:
            # The hot path: all of the response is there, and nothing else.
            self._reusable = head.keep_alive
            downstream.response(exchange, head, data[end:])
            self._finish(now)
        else:
            self._begin_response(head, length, data, end, now)

    def _pass_interim(self, head: ResponseHead, rest: bytes) -> None:
        """Passes an interim response on, and reads what has come of the next one."""
        self._interims += 1
        if not head.keep_alive:
            self._spent = True
        check_interims(self._interims)
        assert self._downstream is not None
        self._downstream.interim(head)
        if rest:
            self._read_head(rest)

    def _begin_response(
        self, head: ResponseHead, length: int, data: bytes, end: int, now: float
    ) -> None:
        """Begins a response that is not there as a whole, or not alone; `end` is its head's."""
        exchange, downstream = self._exchange, self._downstream
        assert exchange is not None and downstream is not None
        if length == TUNNEL_LENGTH:
            self._begin_tunnel(exchange, downstream, head, data[end:])
            return
        self._reusable = head.keep_alive and length not in (0, UNTIL_CLOSE)
        if length == 0:
            downstream.response(exchange, head, b"")
            self._finish(now)
            return
        downstream.response_head(exchange, head, length, self)
        padded = not self._pool.config.strict_backends
        self._reader = body_reader(length, BadResponse, padded=padded)
        self._state = READING
        self.stalled_since = now
        if end < len(data):
            self._read_body(data, end)
        else:
            downstream.flush()

    def _read_body(self, data: bytes, start: int) -> None:
        reader, downstream = self._reader, self._downstream
        assert reader is not None and downstream is not None
        pieces, end = reader.feed(data, start)
        if pieces:
            downstream.response_data(pieces)
        now = self._time()
        if reader.complete:
            if end < len(data):
                self._reusable = False
            downstream.response_end(reader.trailers)
            self._finish(now)
        else:
            self.stalled_since = now
            downstream.flush()
            if end < len(data):
                self._pace.wait(data[end:])
            elif end >= LARGE_READ:
                self._pace.came(end)

    def _finish(self, now: float) -> None:
        """The response is complete: the connection is free for the next request."""
        exchange = self._exchange
        assert exchange is not None
        body = self._body
        if body is not None and not body.complete:
            # An early answer: the rest of the request would be taken for the next one.
            self._reusable = False
        exchange.completed(now)
        if body is None and self._reusable and not self._spent:
            # The hot path: this is `_free` where there was no body.
            self._exchange = self._downstream = self._reader = None
            self._interims = 0
            self._served = True
            self._state = IDLE
            self.idle_since = now
            self.stalled_since = NEVER
            self._pool.give_back(self)
        else:
            self._free(now)
        exchange.dispatch(exchange, now)

    def _free(self, now: float) -> None:
        """Nothing is under way any more: the connection may be used again, or is closed."""
        self._detach()
        if self._reusable and not self._spent:
            self._state = IDLE
            self._served = True
            self.idle_since = now
            self._pool.give_back(self)
        else:
            self.close()

    def _detach(self) -> None:
        body = self._body
        if body is not None:
            body.detach()
            self._body = None
        self._exchange = self._downstream = self._reader = None
        self._interims = 0
        self._pace.forget()
        self.stalled_since = NEVER

    def _drop_response(self, head: ResponseHead, length: int, came: int) -> None:
        """Another attempt takes the place of this response, which nobody will read."""
        body = self._body
        self._reusable = head.keep_alive and length == came and (body is None or body.complete)
        self._free(self._time())

    def _begin_tunnel(
        self, exchange: Exchange, downstream: Downstream, head: ResponseHead, rest: bytes
    ) -> None:
        self._state = TUNNEL
        self._tunnel = tunnel = BackendTunnel(self._transport, self._client_lost)
        tunnel.client = downstream.tunnel(exchange, head, tunnel)
        downstream.tunnel_begun()
        if rest:
            tunnel.client.tunnel_data(rest)

    # The response's flow: see `Flow`.

    def pause_reading(self) -> None:
        self.stalled_since = NEVER
        self._pace.hold()

    def resume_reading(self) -> None:
        if self._state is READING:
            self.stalled_since = self._time()
        self._pace.release()

    # The end of the connection.

    def eof_received(self) -> bool:
        tunnel = self._tunnel
        if tunnel is not None:
            tunnel.client.tunnel_end()
            if not tunnel.has_ended:
                # TLS knows no half-closed connections.
                return self._transport.can_write_eof()
        self._pace.finish()
        if self._exchange is None:
            self._pool.lost(self)
        self._ended()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.lost(self)
        if error is not None and self._body is not None:
            # A backend that answers before it has read the body may close at once: writing the rest
            # fails then, and the answer is still to be read.
            self._spent = True
            self.data_received(left_unread(self._transport))
        self._pace.finish()
        if self._state is READING:
            # Not even a body that lasts until the connection closes has ended by that.
            self._fail(RESET.with_detail(str(error or "cut off")))
        else:
            self._ended()

    def _ended(self) -> None:
        """The backend will send no more."""
        state, exchange = self._state, self._exchange
        if exchange is None:
            self._state = CLOSED
        elif state is WAITING:
            downstream = self._downstream
            assert downstream is not None
            if self._is_stale():
                self._detach()
                self._state = CLOSED
                self._pool.connect(exchange, downstream)
            else:
                self._fail(RESET)
        elif state is READING:
            assert self._reader is not None and self._downstream is not None
            try:
                self._reader.end()
                self._pool.check_end(self._transport)
            except BadResponse as error:
                self._fail(RESET.with_detail(error.reason))
            else:
                self._reusable = False
                self._downstream.response_end(b"")
                self._finish(self._time())
        elif state is TUNNEL:
            tunnel, self._tunnel = self._tunnel, None
            assert tunnel is not None
            self._detach()
            self._state = CLOSED
            now = self._time()
            exchange.completed(now)
            tunnel.client.tunnel_lost()
            exchange.dispatch(exchange, now)

    def _client_lost(self) -> None:
        """The client's end of the tunnel is gone."""
        if self._state is TUNNEL:
            self._ended()
            self._transport.close()

    def _is_stale(self) -> bool:
        """Whether the backend closed because the connection had been idle, not over the request.

        That can't be told for certain (RFC 9112, 9.3.1): so only what may be sent twice is.
        """
        exchange = self._exchange
        assert exchange is not None
        unanswered = self._served and not self._pending and not self._interims
        return unanswered and exchange.repeatable and exchange.request.method in IDEMPOTENT

    def _fail(self, local_reply: LocalReply) -> None:
        exchange = self._exchange
        self.abort()
        if exchange is not None:
            now = self._time()
            exchange.failed(local_reply, now)
            exchange.dispatch(exchange, now)
