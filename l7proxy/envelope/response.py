"""An ended exchange as an `http_response` body."""

from __future__ import annotations

from l7proxy.envelope.members import put_body, put_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from l7proxy.core.exchange import Exchange


def response_body(exchange: Exchange, msg_id: int | None) -> dict[str, Any]:
    """The reply's body: keys in the protocol's order, absent where there is nothing to say."""
    response = exchange.response
    assert response is not None
    reply: dict[str, Any] = {"type": "http_response"}
    if msg_id is not None:
        reply["in_reply_to"] = msg_id
    reply["status"] = response.status
    if response.headers is not None:
        put_headers(reply, response.headers)
    if response.body is not None:
        put_body(reply, response.body)
    if exchange.backend is not None:
        reply["backend"] = exchange.backend.name
    if exchange.rewritten_path is not None:
        reply["rewritten_path"] = exchange.rewritten_path
    if exchange.set_cookie is not None:
        reply["set_cookie"] = exchange.set_cookie
    if exchange.circuit_state is not None:
        reply["circuit_state"] = exchange.circuit_state
    if exchange.local_reply is not None:
        reply["error"] = exchange.local_reply.text
    if exchange.decision is not None:
        reply["decision"] = exchange.decision
    return reply
