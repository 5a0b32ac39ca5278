"""A request head as the core sees it.

What follows from a head alone is worked out once for each, and kept with those that come again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.http.messages import HttpRequest
from l7proxy.core.http.target import hops_left
from l7proxy.http1.grammar import escape_octets
from l7proxy.upstreams.http.headers import WireHeaders

if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.http.target import Target
    from l7proxy.core.routing import Route
    from l7proxy.http1 import RequestHead
    from l7proxy.upstreams.http import RequestBody


_SLASH = ord("/")


class StreamedRequest(HttpRequest):
    """A request whose body is passed on as it comes.

    - `trusted` is whether the peer is, where that makes a difference to what is believed
    - `hops_left` is how many servers may pass it on, this one included, or None
    - `upgrade` is the protocol that the client may switch to, or None
    - `parsed` is what its target names, once that was found out
    - `logged` is the access log's text about it, once there was some
    - `sent` is what a backend was sent for it by the route `sent_by`, up to what differs between
      clients; `sent_by` is None while that is not known
    """

    __slots__ = (
        "_stream",
        "_time",
        "hops_left",
        "logged",
        "parsed",
        "sent",
        "sent_by",
        "trusted",
        "upgrade",
    )

    vetted = True

    _stream: RequestBody | None
    _time: Callable[[], float]
    hops_left: int | None
    logged: str | None
    parsed: Target | None
    sent: bytes
    sent_by: Route | None
    trusted: bool
    upgrade: bytes | None

    def __init__(self, head: RequestHead, client_ip: str, *, trusted: bool = False) -> None:
        self.method = head.method
        self.target = head.path
        self.headers = WireHeaders(
            head.believed(trusted=trusted) if head.has_claims else head.block
        )
        self.trusted = trusted
        self.client_ip = client_ip
        self.body = b""
        self.cookies = self.simulate = self.hops_left = self.upgrade = None
        self.parsed = self.logged = self.sent_by = self._stream = None
        if head.upgrade is not None or head.target[0] != _SLASH or head.method == "OPTIONS":
            self._look_closer(head)

    def _look_closer(self, head: RequestHead) -> None:
        """Finds what only few heads say: a protocol to change to, hops, another form of target."""
        self.upgrade = _upgrade(head)
        self.hops_left = hops_left(head.method, self.headers)
        if self.hops_left == 0:
            self.target = "*"
        elif self.target != "*" and head.target[0] != _SLASH:
            self.target = escape_octets(head.target).decode("ascii")

    def remember(self, route: Route, written: bytes, plain: bytes) -> None:
        """Keeps what a backend is sent by a route, if it ends with what differs between clients."""
        if written.endswith(plain):
            self.sent = written[: -len(plain)]
            self.sent_by = route

    def stream(self, body: RequestBody, time: Callable[[], float]) -> None:
        """Makes it a request with this body, still to come; `time` tells the time (seconds)."""
        self._stream = body
        self._time = time

    def when_buffered(self, act: Callable[[HttpRequest | None, float], None], now: float) -> None:
        stream = self._stream
        if stream is None:
            act(self, now)
            return

        def act_with(payload: bytes | None) -> None:
            complete = None
            if payload is not None:
                complete = HttpRequest(
                    self.method, self.target, self.headers, client_ip=self.client_ip, body=payload
                )
            act(complete, self._time())

        stream.when_buffered(act_with)


def request_of(head: RequestHead, client_ip: str, *, trusted: bool = False) -> StreamedRequest:
    """Returns the request that a client sends with this head.

    Without a body it is the same object as the last with this head, if that was this client's.
    `trusted` is False where there are no claims to believe.
    """
    last: StreamedRequest | None = head.derived
    is_same = last is not None and last.client_ip == client_ip and last.trusted is trusted
    if last is not None and is_same and head.length == 0:
        return last
    made = StreamedRequest(head, client_ip, trusted=trusted)
    if last is not None:
        made.parsed, made.logged = last.parsed, last.logged
    if head.length == 0:
        head.derived = made
    return made


def _upgrade(head: RequestHead) -> bytes | None:
    """The protocols to pass on in Upgrade.

    Never h2c: behind a switch to HTTP/2 a client could send requests that nobody checks. With a
    body, what follows it and what is tunnelled can't be told apart, so that is no upgrade either.
    """
    if head.upgrade is None or head.length != 0:
        return None
    listed = [each.strip(b" \t") for each in head.upgrade.split(b",")]
    return b", ".join([each for each in listed if each and b"h2c" not in each.lower()]) or None
