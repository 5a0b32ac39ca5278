"""A request head as the core sees it, and as a backend gets it: worked out once for each head.

Heads are remembered by the parser, so what follows from one alone is kept with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.http.local_reply import Refused
from l7proxy.core.http.messages import HttpRequest
from l7proxy.core.http.target import hops_left, parse_target
from l7proxy.http1 import CHUNKED
from l7proxy.http1.fields import drop_fields, split_fields
from l7proxy.http1.grammar import escape_octets
from l7proxy.http1.serialise import field_block, request_line
from l7proxy.upstreams.http.headers import ABOUT_CLIENTS, WireHeaders, host_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import Headers
    from l7proxy.core.http.target import Target
    from l7proxy.core.routing import Route, Router
    from l7proxy.http1 import RequestHead
    from l7proxy.upstreams.http import RequestBody

_HOST = frozenset((b"host",))
_MAX_FORWARDS = frozenset((b"max-forwards",))


class StreamedRequest(HttpRequest):
    """A request whose body is passed on as it comes, in `stream`."""

    __slots__ = ("_stream", "_time")

    def __init__(
        self,
        method: str,
        target: str,
        headers: Headers,
        client_ip: str,
        stream: RequestBody,
        time: Callable[[], float],
    ) -> None:
        """`time` tells the time at which the body has come (seconds)."""
        super().__init__(method, target, headers, client_ip=client_ip)
        self._stream = stream
        self._time = time

    def when_buffered(self, act: Callable[[HttpRequest | None, float], None], now: float) -> None:
        def act_with(payload: bytes | None) -> None:
            whole = None
            if payload is not None:
                whole = HttpRequest(
                    self.method, self.target, self.headers, client_ip=self.client_ip, body=payload
                )
            act(whole, self._time())

        self._stream.when_buffered(act_with)


class Prepared:
    """What follows from a request head alone, under one configuration.

    `target`, `parsed` and `headers` are the core's; `parsed` is None where the target is refused,
    and `route` where the head alone does not say which one it takes.
    `upgrade` is the protocol that the client may switch to, or None.
    """

    __slots__ = (
        "_bare_starts",
        "_hops_left",
        "headers",
        "logged",
        "parsed",
        "request",
        "route",
        "starts",
        "target",
        "upgrade",
    )

    def __init__(self, head: RequestHead, router: Router, client_ip: str) -> None:
        """`client_ip` is who sends the head now; others may, later."""
        self.headers = WireHeaders(head.fields)
        self._hops_left = hops_left(head.method, self.headers)
        if head.path == "*" or self._hops_left == 0:
            self.target = "*"
        else:
            absolute = not head.target.startswith(b"/")
            self.target = escape_octets(head.target).decode() if absolute else head.path
        self.parsed: Target | None = None
        self.route: Route | None = None
        self.request = HttpRequest(head.method, self.target, self.headers, client_ip=client_ip)
        """As the client sent it that was the last to send this head, if it came without a body."""
        try:
            self.parsed = parse_target(self.request, router.rules)
            if router.decides_by_head:
                self.route = router.match(self.request, self.parsed)
        except Refused:
            pass
        self.upgrade = _upgrade(head)
        self.logged: str | None = None
        """The access log's text about the request, once there was some."""
        self.starts: dict[Route | None, bytes] = {}
        """What `start` has worked out."""
        self._bare_starts: dict[Route | None, bytes] = {}

    def request_of(self, client_ip: str) -> HttpRequest:
        """The request as another client sends it, without a body."""
        last = self.request
        made = self.request = HttpRequest(
            last.method, last.target, last.headers, client_ip=client_ip
        )
        return made

    def start(self, head: RequestHead, exchange: Exchange) -> bytes | None:
        """The head to send on, X-Forwarded-Host included, up to what differs between clients.

        A route may rewrite a request, but always in the same way: so this is worked out once for
        each head and route. None where what follows has to be worked out for each request.
        """
        route = exchange.route
        assert route is not None
        edits = route.request_headers
        if head.fields.via is not None or (edits and not edits.gone.isdisjoint(ABOUT_CLIENTS)):
            return None
        start = self.bare_start(head, exchange)
        if head.host:
            start += b"X-Forwarded-Host: %b\r\n" % head.host.encode()
            self.starts[route] = start
        return start

    def bare_start(self, head: RequestHead, exchange: Exchange) -> bytes:
        """The same without X-Forwarded-Host, for clients that may say what is in it."""
        start = self._bare_starts.get(exchange.route)
        if start is None:
            start = self._start(head, exchange)
            # Without a host of the client's each backend gets its own.
            if head.host:
                self._bare_starts[exchange.route] = start
        return start

    def _start(self, head: RequestHead, exchange: Exchange) -> bytes:
        route = exchange.route
        assert route is not None
        fields = head.forwardable
        host = exchange.rewritten_host or head.host
        if not host:
            # Only HTTP/1.0 can do without, and what is sent on is HTTP/1.1.
            assert exchange.backend is not None
            host = host_field(exchange.backend.address)
        if host != head.host:
            fields = b"Host: %b\r\n%b" % (host.encode("ascii", "replace"), head.without(_HOST))
        if route.request_headers is not None:
            pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in split_fields(fields)]
            fields = field_block(route.request_headers.apply(pairs))
        target = exchange.forward_target
        line = head.line if target == head.path else request_line(head.method, target)
        more = b""
        if self._hops_left is not None:
            fields = drop_fields(fields, _MAX_FORWARDS)
            more = b"Max-Forwards: %d\r\n" % (self._hops_left - 1)
        if head.length == CHUNKED:
            more += b"Transfer-Encoding: chunked\r\n"
        if self.upgrade is not None:
            more += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % self.upgrade
        return b"%b%b%b" % (line, fields, more)


def _upgrade(head: RequestHead) -> bytes | None:
    """The protocol to pass on in Upgrade.

    Never h2c: behind a switch to HTTP/2 a client could send requests that nobody checks. With a
    body, what follows it and what is tunnelled can't be told apart, so that is no upgrade either.
    """
    protocol = head.upgrade
    if protocol is None or head.length != 0 or b"h2c" in protocol.lower():
        return None
    return protocol
