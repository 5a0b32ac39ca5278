"""Who asked, as the HTTP upstream sees them: `exchange.owner` of whatever it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.core.exchange import Exchange
    from l7proxy.http1 import ResponseHead
    from l7proxy.upstreams.http.request_body import RequestBody

    Piece = bytes | memoryview


class Flow(Protocol):
    """A sender that can be told to wait."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Tunnel(Flow, Protocol):
    """The other side of a connection that has stopped being HTTP."""

    def tunnel_data(self, data: bytes) -> None:
        """Bytes from the other side."""

    def tunnel_end(self) -> None:
        """The other side will send no more; it may still read."""

    def tunnel_lost(self) -> None:
        """The other side is gone."""


class Downstream(Protocol):
    """The source of a request and the sink of its response.

    A response that the core accepts comes as `response` if it is there as a whole; otherwise in
    this order: `response_head`, any number of `response_data`, `response_end`, and `flush` where
    the upstream has no more for now. Then the exchange is completed and its dispatcher delivers it.
    A response that breaks off is delivered without `response_end`.
    """

    method: str
    body: RequestBody | None
    """None where the request has no body."""

    @property
    def upgrade(self) -> bool:
        """Whether the request asks to leave HTTP; only then may the answer be a 101."""

    def request_head(self, exchange: Exchange) -> bytes:
        """The whole head to send to `exchange.backend`, its empty line included."""

    def interim(self, head: ResponseHead) -> None:
        """A 1xx response other than 101 came; the final one follows."""

    def response_head(
        self, exchange: Exchange, head: ResponseHead, length: int, flow: Flow
    ) -> None:
        """A response begins; its body has `length` bytes, or is CHUNKED, UNTIL_CLOSE.

        `flow` is paused by whoever can't keep up with the response.
        """

    def response(self, exchange: Exchange, head: ResponseHead, payload: bytes) -> None:
        """A whole response, of a length known from its head."""

    def response_data(self, pieces: Sequence[Piece]) -> None:
        """Some of the response's payload."""

    def response_end(self, trailers: bytes) -> None:
        """The payload is complete; `trailers` is a field block, mostly empty."""

    def flush(self) -> None:
        """The upstream has nothing more for now: what was given should be on its way."""

    def tunnel(self, exchange: Exchange, head: ResponseHead, other: Tunnel) -> Tunnel:
        """A 101: from here on bytes go both ways as they come, between `other` and the result."""

    def tunnel_begun(self) -> None:
        """The tunnel is there from end to end: what came for the other side before may go."""
