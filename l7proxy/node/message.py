"""A message that came in, and what its handler works on."""

from __future__ import annotations

from l7proxy.core.config.problems import json_type
from l7proxy.envelope.errors import BadMember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.node.engine import Engine
    from l7proxy.upstreams.envelope import EnvelopeUpstream

    Reply = Mapping[str, Any] | None
    """The members of a reply but its type; None where the reply comes later, or there is none."""
    Handler = Callable[["Receiver", "Message"], Reply]


class Message:
    """A message that is one: its sender, its type, its id, its body.

    `called` is the name that it is for, None where it doesn't say, and `line` the number of the
    line where it starts.
    """

    __slots__ = ("body", "called", "line", "msg_id", "src", "type")

    def __init__(self, src: str, envelope: Mapping[str, Any], line: int) -> None:
        """Raises `BadMember` where the envelope is not a message."""
        repeated: tuple[str, ...] = getattr(envelope, "repeated", ())
        if repeated:
            raise BadMember.at("", f'the key "{repeated[0]}" is written more than once')
        body = envelope.get("body")
        if not isinstance(body, dict):
            raise BadMember.at("/body", f"must be an object, not {json_type(body)}")
        if type(body.get("type")) is not str:
            raise BadMember.at("/body/type", "must be a string")
        msg_id = body.get("msg_id")
        if msg_id is not None and type(msg_id) is not int:
            raise BadMember.at("/body/msg_id", "must be a whole number")
        called = envelope.get("dest")
        self.src = src
        self.called: str | None = called if type(called) is str else None
        self.type: str = body["type"]
        self.msg_id: int | None = msg_id
        self.body: Mapping[str, Any] = body
        self.line = line


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
