"""A request head as the core sees it, and as a backend gets it: worked out once for each head.

Heads are remembered by the parser, so what follows from one alone is kept with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.messages import WellFormedHeaders
from l7proxy.http1 import CHUNKED

if TYPE_CHECKING:
    from l7proxy.http1 import RequestFields, RequestHead


class WireHeaders(WellFormedHeaders):
    """The core's view of a header block, decoded when somebody looks."""

    __slots__ = ("_fields",)

    def __init__(self, fields: RequestFields) -> None:
        self._fields = fields
        self._index = None

    def __getattr__(self, name: str) -> list[tuple[str, str]]:
        if name != "_pairs":
            raise AttributeError(name)
        self._pairs = [
            (key.decode("latin-1"), value.decode("latin-1")) for key, value in self._fields.items()
        ]
        return self._pairs


class Prepared:
    """What follows from a request head alone.

    `target` and `headers` are the core's, `upgrade` is the protocol that the client may switch
    to, or None. `start` is the head to send on, up to where the fields begin that differ from
    client to client.
    """

    __slots__ = ("headers", "logged", "start", "target", "upgrade")

    def __init__(self, head: RequestHead) -> None:
        fields = head.fields
        self.headers = WireHeaders(fields)
        self.logged: str | None = None
        """The access log's text about the request, once there was some."""
        absolute = not head.target.startswith(b"/")
        self.target = head.target.decode("ascii") if absolute else head.path
        self.upgrade = _upgrade(head)
        self.start = head.line + self.fields_of(head)

    def fields_of(self, head: RequestHead) -> bytes:
        """The fields to send on, with those that say how body and connection go on."""
        more = b""
        if head.length == CHUNKED:
            more = b"Transfer-Encoding: chunked\r\n"
        if self.upgrade is not None:
            more += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % self.upgrade
        return head.forwardable + more


def prepared(head: RequestHead) -> Prepared:
    """What follows from the head, remembered with it."""
    made: Prepared | None = head.derived
    if made is None:
        made = head.derived = Prepared(head)
    return made


def _upgrade(head: RequestHead) -> bytes | None:
    """The protocol to pass on in Upgrade.

    Never h2c: behind a switch to HTTP/2 a client could send requests that nobody checks. With a
    body, what follows it and what is tunnelled can't be told apart, so that is no upgrade either.
    """
    protocol = head.fields.upgrade
    if protocol is None or head.length != 0 or head.minor == 0 or b"h2c" in protocol.lower():
        return None
    return protocol
