"""The envelope upstream: backends are other nodes, asked and answering in envelopes.

A request goes out as an `http_request` of its own to the node that the backend is named after;
its `http_response`, or `error`, is known by `in_reply_to`.
"""

from __future__ import annotations

from l7proxy.core.http.head import find_fault
from l7proxy.core.http.local_reply import GARBAGE, UNAVAILABLE, UPSTREAM_ERROR
from l7proxy.core.http.messages import HttpResponse
from l7proxy.envelope.errors import TEMPORARILY_UNAVAILABLE, BadMember
from l7proxy.envelope.members import body_member, headers_member, put_body, put_headers
from l7proxy.upstreams.base import Upstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.policies.health_check import Probe

    Reply = Mapping[str, Any]
    Receiver = Callable[[Reply, float], None]


class EnvelopeUpstream(Upstream):
    """Sends requests as envelopes; one for all pools of a node, since ids are the node's.

    `send(dest, body, exchange)` sends an envelope for an exchange, or, with None, for a health
    check; `receive` is to be called with every reply.
    """

    def __init__(self, send: Callable[[str, dict[str, Any], Exchange | None], None]) -> None:
        self._send = send
        self._last_id = 0
        self._awaited: dict[int, tuple[str, Receiver]] = {}
        self.dropped = 0
        """Replies that came too late, twice, from someone else, or that nobody asked for."""

    @property
    def awaits_replies(self) -> bool:
        """Whether another node was asked and has not replied."""
        return bool(self._awaited)

    def start(self, exchange: Exchange, now: float) -> None:
        backend = exchange.backend
        assert backend is not None
        message = _message(exchange)
        msg_id = self._ask(
            backend.name, message, lambda reply, at: self._finish(exchange, reply, at), exchange
        )
        exchange.started(now)
        exchange.on_abandon = lambda: self._forget(msg_id)

    def probe(self, probe: Probe, now: float) -> None:
        message = {"type": "http_request", "method": "GET", "path": probe.path}
        msg_id = self._ask(
            probe.backend.name, message, lambda reply, at: _finish_probe(probe, reply, at)
        )
        probe.on_abandon = lambda: self._forget(msg_id)

    def receive(self, src: str, reply: Reply, now: float) -> None:
        """Takes a reply in; one that is not awaited from `src` is counted and dropped."""
        answered = reply.get("in_reply_to")
        awaited = self._awaited.get(answered) if type(answered) is int else None
        if awaited is None or awaited[0] != src:
            self.dropped += 1
            return
        assert type(answered) is int
        del self._awaited[answered]
        awaited[1](reply, now)

    def _ask(
        self,
        dest: str,
        message: dict[str, Any],
        receiver: Receiver,
        exchange: Exchange | None = None,
    ) -> int:
        self._last_id += 1
        self._awaited[self._last_id] = (dest, receiver)
        body = {"type": message.pop("type"), "msg_id": self._last_id, **message}
        self._send(dest, body, exchange)
        return self._last_id

    def _forget(self, msg_id: int) -> None:
        self._awaited.pop(msg_id, None)

    def _finish(self, exchange: Exchange, reply: Reply, now: float) -> None:
        exchange.on_abandon = None
        if reply["type"] == "error":
            text = str(reply.get("text", "no text"))
            if reply.get("code") == TEMPORARILY_UNAVAILABLE:
                exchange.failed(UNAVAILABLE.with_detail(text), now, sent=False)
            else:
                exchange.failed(UPSTREAM_ERROR.with_detail(text), now)
        else:
            response = _response(reply)
            if response is None:
                exchange.failed(GARBAGE, now)
            else:
                exchange.answered(response, now)
        self.dispatch(exchange, now)


def _finish_probe(probe: Probe, reply: Reply, now: float) -> None:
    response = _response(reply) if reply["type"] == "http_response" else None
    if response is None:
        probe.failed(now)
    else:
        probe.answered(response.status, now)


def _message(exchange: Exchange) -> dict[str, Any]:
    request, route = exchange.request, exchange.route
    assert route is not None
    message: dict[str, Any] = {
        "type": "http_request",
        "method": request.method,
        "path": exchange.forward_target,
    }
    headers = exchange.forward_headers
    if len(headers):
        put_headers(message, headers)
    edits = route.request_headers
    if request.cookies and (edits is None or "cookie" not in edits.gone):
        message["cookies"] = request.cookies
    message["client_ip"] = request.client_ip
    if request.body:
        put_body(message, request.body)
    return message


def _response(reply: Reply) -> HttpResponse | None:
    """The response in a reply, or None where it makes no sense."""
    status = reply.get("status")
    if type(status) is not int or not 200 <= status <= 599:
        return None
    try:
        headers = headers_member(reply) if reply.get("headers") is not None else None
        body = body_member(reply) if reply.get("body") is not None else None
    except BadMember:
        return None
    if headers is not None and find_fault(headers) is not None:
        return None
    return HttpResponse(status, headers, body)
