"""A request's body on its way to a backend, and to another one if the first fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from l7proxy.http1 import encode_chunk, last_chunk
from l7proxy.upstreams.http.headers import untouched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from l7proxy.core.routing import Route
    from l7proxy.upstreams.http.downstream import Flow, Piece


class BodySink(Protocol):
    """Takes a body's bytes, framed."""

    def body_data(self, pieces: Sequence[Piece]) -> None: ...
    def body_end(self) -> None: ...


class RequestBody:
    """Payload goes in by `add` and `end`, and framed bytes go to whoever is attached.

    What has passed is kept while it is no more than `limit` bytes, so that another attempt can
    begin anew; after that `repeatable` is False. The sender (`flow`) is paused while there is
    nobody attached to take more than that, and while who is attached can't keep up.
    """

    __slots__ = (
        "_flow",
        "_kept",
        "_limit",
        "_route",
        "_sink",
        "_then",
        "chunked",
        "complete",
        "paused",
        "repeatable",
        "size",
        "trailers",
    )

    def __init__(self, flow: Flow | None, *, chunked: bool, limit: int) -> None:
        self._flow = flow
        self._limit = limit
        self._kept: list[Piece] = []
        self._sink: BodySink | None = None
        self._route: Route | None = None
        self._then: Callable[[bytes | None], None] | None = None
        self.paused = False
        """Whether the sender is to wait."""
        self.chunked = chunked
        self.complete = False
        self.repeatable = True
        self.size = 0
        """Bytes of payload so far."""
        self.trailers = b""

    # What the sender does.

    def add(self, pieces: Sequence[Piece]) -> None:
        """Passes payload on, and keeps it as long as there is room."""
        for piece in pieces:
            self.size += len(piece)
        sink = self._sink
        if self.repeatable:
            if self.size <= self._limit or sink is None:
                self._kept.extend(pieces)
            else:
                self.repeatable = False
                self._kept = []
        if sink is not None:
            sink.body_data(encode_chunk(pieces) if self.chunked else pieces)
        elif self.size > self._limit:
            self.pause()

    def end(self, trailers: bytes = b"") -> None:
        """The payload is complete."""
        self.trailers = trailers
        self.complete = True
        self.resume()
        if self._sink is not None:
            if self.chunked:
                self._sink.body_data((self._last_chunk(),))
            self._sink.body_end()
        if self._then is not None:
            self._then(self._payload())

    def when_buffered(self, act: Callable[[bytes | None], None]) -> None:
        """Calls `act` once the payload is complete: with it, or with None if it was not kept."""
        if self.complete:
            act(self._payload())
        else:
            self._then = act

    def _payload(self) -> bytes | None:
        return b"".join(self._kept) if self.size <= self._limit else None

    # What the receiver does.

    def attach(self, sink: BodySink, route: Route | None = None) -> list[Piece]:
        """Passes the body on to the sink from now on; returns, framed, what has passed so far.

        `route` is the request's: trailers say nothing about fields that it edits.
        """
        self._sink = sink
        self._route = route
        kept = self._kept
        if self.size > self._limit:
            self.repeatable = False
            self._kept = []
        framed = encode_chunk(kept) if self.chunked else list(kept)
        if self.complete and self.chunked:
            framed.append(self._last_chunk())
        self.resume()
        return framed

    def _last_chunk(self) -> bytes:
        edits = None if self._route is None else self._route.request_headers
        trailers = self.trailers
        return last_chunk(trailers if edits is None else untouched(trailers, edits))

    def detach(self) -> None:
        """Passes the body on to nobody for now."""
        self._sink = None

    def pause(self) -> None:
        """Has the sender wait: the receiver can't keep up."""
        if not self.paused and not self.complete and self._flow is not None:
            self.paused = True
            self._flow.pause_reading()

    def resume(self) -> None:
        """Has the sender go on: the receiver is ready for more."""
        if self.paused and self._flow is not None:
            self.paused = False
            self._flow.resume_reading()
