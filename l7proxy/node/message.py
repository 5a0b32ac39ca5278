"""A message that came in, and what its handler works on."""

from __future__ import annotations

from l7proxy.core.config.problems import json_type
from l7proxy.core.config.strict_json import JsonObject
from l7proxy.envelope.encode import json_text
from l7proxy.envelope.errors import BadMember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.node.engine import Engine
    from l7proxy.upstreams.envelope import EnvelopeUpstream

    Reply = Mapping[str, Any] | None
    """The members of a reply but its type; None where the reply comes later, or there is none."""
    Id = int | str | None
    """A `msg_id` as `as_id` returns it."""
    Handler = Callable[["Receiver", "Message"], Reply]


def as_id(value: object) -> Id:
    """Returns a `msg_id` as it is kept, so that it can be put into JSON text as it is.

    A number is kept as it is, and a string as its JSON text; anything else is None.
    """
    if type(value) is int:
        return value
    return json_text(value) if type(value) is str else None


class Message:
    """Who sent it, what it calls us (None where it doesn't say), its type, its id, its body.

    `msg_id` is as `as_id` has it. `line` is where it starts, or another number that it is known by.
    `text` is the JSON that it was decoded from, None where it comes from elsewhere.
    """

    __slots__ = ("body", "called", "line", "msg_id", "src", "text", "type")

    def __init__(
        self, src: str, envelope: Mapping[str, Any], line: int, text: bytes | None = None
    ) -> None:
        """Raises `BadMember` where the envelope is not a message."""
        if type(envelope) is not dict:
            _refuse_repeated(envelope)
        body = envelope.get("body")
        if not isinstance(body, dict):
            raise BadMember.at("/body", f"must be an object, not {json_type(body)}")
        name = body.get("type")
        if type(name) is not str:
            raise BadMember.at("/body/type", "must be a string")
        msg_id, called = body.get("msg_id"), envelope.get("dest")
        if type(msg_id) is not int and msg_id is not None:
            msg_id = as_id(msg_id)
            if msg_id is None:
                raise BadMember.at("/body/msg_id", "must be a whole number or a string")
        self.src = src
        self.called: str | None = called if type(called) is str else None
        self.type: str = name
        self.msg_id: Id = msg_id
        self.body: dict[str, Any] = body
        self.line = line
        self.text = text


def _refuse_repeated(envelope: Mapping[str, Any]) -> None:
    if isinstance(envelope, JsonObject) and envelope.repeated:
        raise BadMember.at("", f'the key "{envelope.repeated[0]}" is written more than once')


class Receiver:
    """What the handlers of messages work on: an engine, and the other nodes that it asks.

    With `explain` every reply to a request says why.
    """

    def __init__(self, engine: Engine, nodes: EnvelopeUpstream, *, explain: bool = False) -> None:
        self.engine = engine
        self.nodes = nodes
        self.explain = explain
        self.name: str | None = None
        """The node's name as an `init` gave it; until then each message's `dest` is the name."""
