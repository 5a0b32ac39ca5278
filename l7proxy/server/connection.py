"""One client's connection: requests in, one after the other, responses out in the same order.

    READY ──a request──> BUSY ──its end──> READY, or QUEUED, or BLOCKED, or LINGERING
      │                   │ └─101──> TUNNEL ──> CLOSED
      │                   └──the response is cut short──> CLOSED
      └──the client ends──> CLOSED
    QUEUED ──its turn──> READY
    BLOCKED ──the client reads──> READY
    LINGERING ──the client ends──> CLOSED

- READY: the head of a request is awaited, or the rest of one.
- BUSY: there is a request; how far it has come is for `client_request` to say.
- QUEUED: the next request has come already; it has its turn when others have had one.
- BLOCKED: the client has yet to read responses before its next request is begun.
- TUNNEL: it is no longer HTTP; see `tunnel`.
- LINGERING: the last response is out, and the client is to close.
- CLOSED: nothing is read or written any more.

The next request is not begun before the present one has ended: what a client pipelines waits. So
does the rest of a body that came in more pieces than one step may take.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, cast

from l7proxy.core.http.local_reply import CLIENT_TIMED_OUT
from l7proxy.http1 import BadRequest
from l7proxy.http1.request import end_of_empty_lines
from l7proxy.server.client_request import ClientRequest
from l7proxy.server.client_timer import BODY, HEAD, NOTHING, READ, REQUEST, ClientTimer
from l7proxy.server.client_timer import TUNNEL as TUNNEL_TURN
from l7proxy.server.read_ahead import ReadAhead
from l7proxy.server.response_writer import ResponseWriter
from l7proxy.server.tunnel import ClientTunnel
from l7proxy.upstreams.http.fair_queue import LARGE_READ

if TYPE_CHECKING:
    from l7proxy.server.client_timer import Turn
    from l7proxy.server.listener import Listener
    from l7proxy.server.service import Service
    from l7proxy.upstreams.http.downstream import Tunnel
    from l7proxy.upstreams.http.fair_queue import FairQueue


class State(Enum):
    """What a connection is busy with: see the module."""

    READY = "ready"
    BUSY = "busy"
    QUEUED = "queued"
    BLOCKED = "blocked"
    TUNNEL = "tunnel"
    LINGERING = "lingering"
    CLOSED = "closed"


READY = State.READY
BUSY = State.BUSY
QUEUED = State.QUEUED
BLOCKED = State.BLOCKED
TUNNEL = State.TUNNEL
LINGERING = State.LINGERING
CLOSED = State.CLOSED


class ClientConnection(asyncio.Protocol):
    """A client's connection, its `request` (the one under way, if any) and its `timer`.

    `state`, `turn`, `read_ahead` and `finished` (whether the client has said that it will send no
    more) are for reading.
    """

    __slots__ = (
        "_ahead",
        "_fair_queue",
        "_listener",
        "_scanned",
        "_service",
        "_transport",
        "_tunnel",
        "_writer",
        "finished",
        "request",
        "state",
        "timer",
    )

    _fair_queue: FairQueue
    _service: Service
    _transport: asyncio.Transport
    _writer: ResponseWriter
    request: ClientRequest
    timer: ClientTimer

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.state = READY
        self._ahead = ReadAhead()
        self._scanned = 0
        """Bytes of what was read ahead that are known not to complete a head; 0 where none has
        begun."""
        self.finished = False
        self._tunnel: ClientTunnel | None = None

    # What the event loop and the listener do.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        listener = self._listener
        service = listener.service
        self._fair_queue = service.fair_queue
        self._writer = ResponseWriter(transport, service.write_batcher)
        self.timer = ClientTimer(transport, listener.time, service.timeouts)
        self.request = ClientRequest(self, listener, transport, self._writer)
        self._serve_by(service)
        listener.connections.add(self)
        self.timer.start(HEAD)

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state is READY:
            if self._ahead.data:
                data = self._ahead.take()[0] + data
            self._begin_request(data, 0)
        elif state is BUSY:
            if self.request.expects_body and not self._ahead.data:
                self._receive(data, 0)
            else:
                self._append(data)
        elif state is TUNNEL:
            assert self._tunnel is not None
            self._tunnel.client_data(data)
        elif state is QUEUED:
            self._append(data)
        elif state is BLOCKED:
            # What it does not read it can't be waiting for: more requests have to wait.
            self._append(data)
            self._transport.pause_reading()
        elif state is LINGERING:
            # Whoever goes on sending is not to have more than its share of a turn for that.
            self._transport.pause_reading()
            self._fair_queue.put(self)

    def go_on(self) -> bool:
        """Has a turn with what is pending, or with what comes though nobody wants it any more."""
        state = self.state
        if state is QUEUED:
            self.state = READY
            self._begin_request(*self._ahead.take())
        elif state is BUSY:
            if self.request.expects_body:
                if self._ahead.data:
                    self._receive(*self._ahead.take())
                elif not self.request.is_paused:
                    self.read_on()
                    return False
        elif state is LINGERING:
            self._transport.resume_reading()
            return False
        return True

    def eof_received(self) -> bool:
        """A client that will send no more is gone, unless what it asked for outlasts that."""
        self.finished = True
        self._writer.release()
        state = self.state
        if state is BUSY:
            request = self.request
            # Of a body that has come, some may not have been taken yet.
            if request.outlasts_client and (not request.expects_body or self._ahead.data):
                return self._transport.can_write_eof()
            self._abandon()
            return False
        if state is TUNNEL:
            assert self._tunnel is not None
            return self._tunnel.client_end()
        may_be_wanted = state is QUEUED or (state is BLOCKED and self._service.half_closed_clients)
        if may_be_wanted and self._ahead.data:
            return self._transport.can_write_eof()
        self.state = CLOSED
        self.await_client()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.lost(self)
        self.state = CLOSED
        if self._tunnel is not None:
            self._tunnel.client_lost()
        else:
            self.request.abandon()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to."""
        self._writer.pause()
        if self.state is READY or self.state is QUEUED:
            self.state = BLOCKED
        self.await_client()

    def resume_writing(self) -> None:
        self._writer.resume()
        if self.state is BLOCKED:
            self.state = READY
            self.await_client()
            self.read_on()
            self._queue_pending()
        else:
            self.await_client()

    def overdue(self) -> None:
        """The timer's deadline has passed."""
        turn = self.turn
        if turn is READ and self.timer.go_on_reading():
            return
        self.timer.stop()
        if turn is HEAD:
            self.request.refuse(CLIENT_TIMED_OUT, None, self._ahead.data)
        elif turn is BODY:
            self.request.break_off(CLIENT_TIMED_OUT)
        elif turn is not NOTHING:
            self.abort()

    def adopt(self) -> bool:
        """Has the present configuration apply, if no request is under way; whether it does."""
        service = self._listener.service
        if service is not self._service:
            if self.state is BUSY or self.state is TUNNEL:
                return False
            self._serve_by(service)
        return True

    def drain(self) -> None:
        """Ends the connection with the request that it is busy with, or now if there is none."""
        state = self.state
        if (state is READY and not self._scanned) or (state is BLOCKED and not self._ahead.data):
            self._close()

    def abort(self) -> None:
        """Closes at once."""
        self.request.abandon()
        self._writer.close()
        self.state = CLOSED
        self._transport.abort()

    # Whose turn it is.

    @property
    def turn(self) -> Turn:
        """What the client is to do next."""
        state = self.state
        if self._writer.backlogged or state is LINGERING or state is CLOSED:
            return READ
        if state is READY:
            return HEAD if self._scanned else REQUEST
        if state is QUEUED:
            return NOTHING
        if state is TUNNEL:
            return TUNNEL_TURN
        return self.request.turn

    def await_client(self) -> None:
        """Starts the timer for what the client is to do next."""
        self.timer.start(self.turn)

    def go_on_waiting(self) -> None:
        """The same, but for a client that has yet to read what waits for it."""
        if not self._writer.backlogged:
            self.await_client()

    # From one request to the next.

    @property
    def read_ahead(self) -> int:
        """How many bytes wait for the request that is under way."""
        return len(self._ahead)

    def read_on(self) -> None:
        """Reads on, as far as there is room for what comes."""
        if not self._ahead.is_full:
            self._transport.resume_reading()

    def _append(self, data: bytes) -> None:
        """Keeps what has come behind what was read ahead."""
        self._ahead.append(data)
        if self._ahead.is_full:
            self._transport.pause_reading()

    def _serve_by(self, service: Service) -> None:
        """Has a configuration apply from the next request on."""
        self._service = service
        self._writer.via = service.forwarding.via
        self.timer.timeouts = service.timeouts
        self.request.serve_by(service)

    def _begin_request(self, data: bytes, start: int) -> None:
        """Begins the request at `data[start:]`, and keeps what came behind it."""
        service = self._listener.service
        if service is not self._service:
            self._serve_by(service)
        try:
            parsed = service.parse(data, start, self._scanned)
        except BadRequest as error:
            self.request.refuse(error.local_reply, None, data[start:])
            return
        if parsed is None:
            self._await_rest(data[start:])
            return
        head, end = parsed
        self._scanned = 0
        self.state = BUSY
        end = self.request.begin(head, data, end)
        if self.finished and self.state is BUSY and not self.request.outlasts_client:
            self._abandon()
        elif end < len(data) or self._ahead.is_full:
            self._wait_with(data, end)
        elif self.finished and (self.state is READY or self.state is BLOCKED):
            self._close()

    def _receive(self, data: bytes, start: int) -> None:
        """Takes more of the body of the request that is under way, and keeps what is behind it."""
        end = self.request.receive(data, start)
        if end < len(data) or self._ahead.is_full:
            self._wait_with(data, end)
        elif not self.request.expects_body:
            return
        elif self.finished:
            self._abandon()
        elif end > LARGE_READ:
            self._transport.pause_reading()
            self._fair_queue.put(self)

    def _wait_with(self, data: bytes, start: int) -> None:
        """Keeps what is behind what was begun, until it has its turn or the request its end."""
        state = self.state
        if state is LINGERING or state is CLOSED:
            return
        ahead = self._ahead
        was_full = ahead.is_full
        ahead.keep(data, start)
        if ahead.is_full is not was_full:
            if was_full and state is not BLOCKED and not self.request.is_paused:
                self._transport.resume_reading()
            elif not was_full:
                self._transport.pause_reading()
        if state is READY:
            self._queue_pending()
        elif state is BUSY and ahead.data and self.request.expects_body:
            self._fair_queue.put(self)

    def _await_rest(self, data: bytes) -> None:
        """Keeps what has come of a head."""
        # Empty lines before it are nothing of it: they may be the end of an odd client's last body.
        if end_of_empty_lines(data, 0) < len(data):
            if not self._scanned:
                self.timer.start(HEAD)
            self._scanned = len(data)
        ahead = self._ahead
        was_full = ahead.is_full
        ahead.keep(data, 0)
        # A head may be larger than what else is read ahead.
        ahead.is_full = False
        if was_full:
            self._transport.resume_reading()
        if self.finished:
            self._close()

    def request_ended(self, now: float, go_on: bool) -> None:
        """The response is out: the next request may begin, or the connection end.

        With `go_on` the next request has its turn, if it has come.
        """
        writer = self._writer
        if writer.last:
            self.linger()
            return
        if writer.backlogged:
            self.state = BLOCKED
        else:
            self.state = READY
            # The hot path: this is `timer.start(REQUEST, now)`.
            timer = self.timer
            timer.deadline = now + timer.timeouts.idle
        if go_on and (self._ahead.data or self.finished):
            self._queue_pending()

    def _queue_pending(self) -> None:
        """Has what was pipelined wait for its turn; closes where nothing is left, nor will come."""
        if not self._ahead.data:
            if self.finished:
                self._close()
        elif self.state is READY:
            self.state = QUEUED
            self._fair_queue.put(self)

    # The end.

    def _abandon(self) -> None:
        """Gives up the request of a client that is gone."""
        self.request.abandon()
        self.cut_short()

    def cut_short(self) -> None:
        """Closes such that the client can't take the response that has begun for complete."""
        if self._writer.cut_short():
            self.abort()
        else:
            self._close()

    def linger(self) -> None:
        """Closes once the client has closed, or soon."""
        self._ahead.clear()
        # TLS has no half-closed connections: the client would not know that it may close.
        if self.finished or not self._transport.can_write_eof():
            self._close()
            return
        self.state = LINGERING
        self.await_client()
        self._writer.end_output()
        self._transport.resume_reading()

    def _close(self) -> None:
        self._writer.close()
        self.state = CLOSED
        self.await_client()
        self._transport.close()

    # A tunnel.

    def begin_tunnel(self, backend: Tunnel) -> Tunnel:
        """The client was told that this is no longer HTTP: returns its end of the tunnel."""
        self.state = TUNNEL
        self._tunnel = ClientTunnel(backend, self._transport, self._writer, self.timer, self._close)
        self.await_client()
        return self._tunnel

    def tunnel_begun(self) -> None:
        """The tunnel is there from end to end: passes on what came before."""
        ahead, tunnel = self._ahead, self._tunnel
        assert tunnel is not None
        early = ahead.data[ahead.start :]
        ahead.clear()
        self._transport.resume_reading()
        if early:
            tunnel.client_data(early)
        if self.finished:
            tunnel.client_end()
