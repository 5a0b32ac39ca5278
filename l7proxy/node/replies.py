"""An ended exchange as an `http_response` body."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.messages import Headers


def response_body(exchange: Exchange, msg_id: int | None) -> dict[str, Any]:
    """The reply's body: keys in the protocol's order, absent where there is nothing to say."""
    response = exchange.response
    assert response is not None
    reply: dict[str, Any] = {"type": "http_response"}
    if msg_id is not None:
        reply["in_reply_to"] = msg_id
    reply["status"] = response.status
    if response.headers is not None:
        reply["headers"] = _headers_object(response.headers)
    if response.body is not None:
        _put_body(reply, response.body)
    if exchange.backend is not None:
        reply["backend"] = exchange.backend.name
    if exchange.verdict is not None:
        reply["error"] = exchange.verdict.text
    return reply


def _headers_object(headers: Headers) -> dict[str, str | list[str]]:
    """One member for each name; several lines of one name become a list."""
    made: dict[str, str | list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in headers:
        key = spelled.setdefault(name.lower(), name)
        if key not in made:
            made[key] = value
        else:
            before = made[key]
            made[key] = [*before, value] if isinstance(before, list) else [before, value]
    return made


def _put_body(reply: dict[str, Any], body: bytes) -> None:
    try:
        reply["body"] = body.decode()
    except UnicodeDecodeError:
        from base64 import b64encode

        reply["body"] = b64encode(body).decode()
        reply["body_encoding"] = "base64"
