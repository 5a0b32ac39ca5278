"""An ended exchange as the text of an `http_response` body."""

from __future__ import annotations

from json import dumps

from l7proxy.envelope.encode import json_text
from l7proxy.envelope.members import put_body, put_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import HttpResponse


def response_text(exchange: Exchange, msg_id: int | str | None) -> str:
    """The reply's body as JSON: members in the protocol's order, absent where there is nothing.

    `msg_id` is the request's: a number or, of a string, its JSON text.
    It is formatted and not dumped, which takes a fifth of the time: nearly all replies are
    made of nothing but numbers and names.
    """
    response, backend = exchange.response, exchange.backend
    assert response is not None
    answered = "" if msg_id is None else f', "in_reply_to": {msg_id}'
    content = "" if response.headers is None and response.body is None else _content(response)
    named = "" if backend is None else f', "backend": {json_text(backend.name)}'
    more = ""
    if (
        exchange.local_reply is not None
        or exchange.rewritten_path is not None
        or exchange.set_cookie is not None
        or exchange.circuit_state is not None
        or exchange.decision is not None
    ):
        more = _remarks(exchange)
    return (
        f'{{"type": "http_response"{answered}, "status": {response.status}{content}{named}{more}}}'
    )


def _remarks(exchange: Exchange) -> str:
    """The members that most replies don't have, each with a comma in front."""
    text = ""
    if exchange.rewritten_path is not None:
        text = f'{text}, "rewritten_path": {json_text(exchange.rewritten_path)}'
    if exchange.set_cookie is not None:
        text = f'{text}, "set_cookie": {json_text(exchange.set_cookie)}'
    if exchange.circuit_state is not None:
        text = f'{text}, "circuit_state": {json_text(exchange.circuit_state)}'
    if exchange.local_reply is not None:
        text = f'{text}, "error": {json_text(exchange.local_reply.text)}'
    if exchange.decision is not None:
        text = f'{text}, "decision": {dumps(exchange.decision)}'
    return text


def _content(response: HttpResponse) -> str:
    """The members about the response's headers and body, with a comma in front."""
    content: dict[str, Any] = {}
    if response.headers is not None:
        put_headers(content, response.headers)
    if response.body is not None:
        put_body(content, response.body)
    return f", {dumps(content)[1:-1]}"
