"""Header fields between the wire, where they are bytes, and the core, where they are text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.http.messages import WellFormedHeaders
from l7proxy.http1.fields import drop_fields, split_fields, text_fields
from l7proxy.http1.serialise import field_block

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.routing.actions import HeaderEdits
    from l7proxy.http1 import ResponseHead


def host_field(address: str) -> str:
    """The value of a Host field of the proxy's own, for a backend at that address."""
    if address.startswith("unix:"):
        return "localhost"
    return address.partition("://")[2] or address


def edited_block(block: bytes, edits: HeaderEdits) -> bytes:
    """A valid block as a route changes it."""
    return field_block(edits.apply(text_fields(block)))


def untouched(trailers: bytes, edits: HeaderEdits) -> bytes:
    """A valid block of trailers without the fields that a route has a say about."""
    if not trailers:
        return trailers
    names = [name.lower() for name, _ in split_fields(trailers)]
    return drop_fields(trailers, {name for name in names if edits.touches(name.decode("ascii"))})


def with_session(head: ResponseHead, exchange: Exchange) -> ResponseHead:
    """Returns the head with what the client is told about its session."""
    set_cookie = exchange.set_cookie_header
    return head if set_cookie is None else head.with_field("Set-Cookie", set_cookie)


class WireHeaders(WellFormedHeaders):
    """The core's view of a valid block. Most requests and responses never decode theirs."""

    __slots__ = ("_block", "_lines")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._index = None
        self._lines: list[tuple[str, str]] | None = None

    def lines(self) -> list[tuple[str, str]]:
        lines = self._lines
        if lines is None:
            lines = self._lines = text_fields(self._block)
        return lines
