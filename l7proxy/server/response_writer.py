"""Turns responses into the bytes that one client gets, and writes them."""

from __future__ import annotations

from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import TYPE_CHECKING

from l7proxy.http1 import CHUNKED, UNTIL_CLOSE, encode_chunk, last_chunk
from l7proxy.http1.serialise import CONTINUE
from l7proxy.server.local_response import DATES, local_response
from l7proxy.upstreams.http.headers import edited_block, untouched

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.http.messages import HttpResponse
    from l7proxy.core.routing.actions import HeaderEdits
    from l7proxy.http1 import RequestHead, ResponseHead
    from l7proxy.upstreams.http.downstream import Flow, Piece
    from l7proxy.upstreams.http.write_batcher import WriteBatcher

_RESET = pack("ii", 1, 0)
"""With this for SO_LINGER a socket that is closed is reset."""
_JOINED = 32 * 1024
"""Bytes below which joining pieces costs less than writing them one by one."""


class ResponseWriter:
    """Writes responses to one client, one after the other.

    A response is given as a whole (`response`, `local`), or as `begin`, any number of `data`, and
    `end` or `cut_short`. It is kept in `unsent` until `flush`, but for a short one that is there as
    a whole: that goes out with what others have to say at the same time.

    - `via` is the field that the configuration adds to every response, or b"".
    - `status` and `sent` (bytes of payload) are of the response that was begun last, and so is
      `last`: whether the client was told that no other follows it.
    - `backlogged` is whether the client reads more slowly than it is written to.
    """

    __slots__ = (
        "_batcher",
        "_edits",
        "_flow",
        "_framing",
        "_transport",
        "_write",
        "backlogged",
        "last",
        "sent",
        "status",
        "unsent",
        "via",
    )

    def __init__(self, transport: asyncio.Transport, batcher: WriteBatcher) -> None:
        self._transport = transport
        self._write: Callable[[Piece], object] = transport.write
        self._batcher = batcher
        self._edits: HeaderEdits | None = None
        self._flow: Flow | None = None
        self._framing = 0
        self.via = b""
        self.unsent: list[Piece] = []
        self.status = 0
        self.sent = 0
        self.last = False
        self.backlogged = False

    # Responses.

    def response(
        self,
        request: RequestHead,
        head: ResponseHead,
        edits: HeaderEdits | None,
        payload: bytes,
        *,
        last: bool,
    ) -> None:
        """Writes a backend's whole response; `edits` are those of its route."""
        self.status = head.status
        self.last = last
        self.sent = length = len(payload)
        # The hot path: nothing is added to what came.
        out = head.forwarded
        if last or self.via or edits is not None or not request.minor or not head.has_date:
            out = self._head(request, head, edits, length)
        if length < _JOINED:
            self._batcher.put(self._write, out + payload)
        else:
            self.unsent += (out, payload)

    def begin(
        self,
        request: RequestHead,
        head: ResponseHead,
        edits: HeaderEdits | None,
        length: int,
        flow: Flow,
        *,
        last: bool,
    ) -> None:
        """Begins a backend's response of `length` bytes, or CHUNKED, or UNTIL_CLOSE.

        `flow` is paused while the client can't keep up with it.
        """
        self.status = head.status
        self.last = last
        self.sent = 0
        self._framing = length
        self._edits = edits
        self._follow(flow)
        self.unsent.append(self._head(request, head, edits, length))

    def data(self, pieces: Sequence[Piece]) -> None:
        """Goes on with some of the payload."""
        self.sent += sum(map(len, pieces))
        self.unsent += encode_chunk(pieces) if self._framing == CHUNKED else pieces

    def end(self, trailers: bytes) -> None:
        """Ends the response that was begun; `trailers` is a field block, mostly empty."""
        self._flow = None
        if self._framing == CHUNKED:
            if self._edits is not None:
                trailers = untouched(trailers, self._edits)
            self.unsent.append(last_chunk(trailers))

    def cut_short(self) -> bool:
        """Gives up the response that was begun, if any: the client must not take it for complete.

        True where that takes a connection that is aborted, and False where it is to be closed.
        """
        self._flow = None
        if self._framing != UNTIL_CLOSE:
            self.flush()
            return False
        # An orderly end would be the end of the body.
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
        return True

    def local(
        self,
        response: HttpResponse,
        local_reply: LocalReply | None,
        request: RequestHead | None,
        *,
        last: bool,
        with_body: bool = True,
    ) -> None:
        """Writes a response that is no backend's; `request` is None where its head was bad.

        An answer to HEAD has no body, nor has one without `with_body`.
        """
        self.status = response.status
        self.last = last
        head, body = local_response(response, local_reply, request, close=last)
        if not with_body:
            body = b""
        self.sent = len(body)
        self.unsent += (head, body)
        self.flush()

    def proceed(self) -> None:
        """Tells the client to go on with its request's body."""
        self.write(CONTINUE)

    def interim(self, head: ResponseHead) -> None:
        """Writes a 1xx response; the final one is still to come."""
        self.write(head.forwarded)

    def switch(self, head: ResponseHead, flow: Flow) -> None:
        """Writes a 101: what follows is no longer HTTP, and goes out by `tunnelled`."""
        self.status = head.status
        self.sent = 0
        self._follow(flow)
        self.write(
            b"%b%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
            % (head.line, head.forwardable, head.fields.upgrade or b"")
        )

    def tunnelled(self, data: bytes) -> None:
        """Writes what came through a tunnel."""
        self.sent += len(data)
        self.write(data)

    # Heads.

    def _head(
        self, request: RequestHead, head: ResponseHead, edits: HeaderEdits | None, length: int
    ) -> bytes:
        """The response's head as this client gets it; also settles how the body is framed."""
        fields = head.forwardable if edits is None else edited_block(head.forwardable, edits)
        date = b"" if head.has_date else DATES.line()
        more = self._connection_fields(request, length)
        return b"%b%b%b%b%b\r\n" % (head.line, fields, self.via, date, more)

    def _connection_fields(self, request: RequestHead, length: int) -> bytes:
        """The fields about the connection to this client."""
        framing = b""
        if length < 0:
            if request.minor:
                self._framing = CHUNKED
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                self._framing = UNTIL_CLOSE
                self.last = True
        if self.last:
            return framing + b"Connection: close\r\n"
        if not request.minor:
            return framing + b"Connection: keep-alive\r\n"
        return framing

    # Output.

    def write(self, data: Piece) -> None:
        """Writes bytes at once, behind what was written before."""
        self.unsent.append(data)
        self.flush()

    def flush(self) -> None:
        """Writes what is unsent."""
        self._batcher.flush()
        out = self.unsent
        if not out:
            return
        self.unsent = []
        if len(out) == 1:
            self._write(out[0])
        elif sum(map(len, out)) < _JOINED:
            self._write(b"".join(out))
        else:
            for piece in out:
                self._write(piece)

    def release(self) -> None:
        """Writes what goes out with what others have to say: the connection is about to end."""
        self._batcher.flush()

    def end_output(self) -> None:
        """Writes the same, and tells the client that no more comes."""
        self._batcher.flush()
        # A client that nothing is read from may be gone without having been heard to go.
        with suppress(OSError):
            self._transport.write_eof()

    def close(self) -> None:
        """Writes nothing any more but what was flushed before."""
        self._batcher.flush()
        self._flow = None
        self._write = _drop

    # The client's pace.

    def pause(self) -> None:
        """The client reads more slowly than it is written to."""
        self.backlogged = True
        if self._flow is not None:
            self._flow.pause_reading()

    def resume(self) -> None:
        """The client has caught up."""
        self.backlogged = False
        if self._flow is not None:
            self._flow.resume_reading()

    def _follow(self, flow: Flow) -> None:
        self._flow = flow
        if self.backlogged:
            flow.pause_reading()


def _drop(data: Piece) -> None:
    """Stands for the write of a closed connection: nobody gets the data."""
