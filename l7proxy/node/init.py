"""The message `init`: the node's name, and perhaps a configuration."""

from __future__ import annotations

from l7proxy.core.config import ConfigError, amended
from l7proxy.core.config.problems import json_type
from l7proxy.envelope.errors import BadMember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.node.message import Message, Receiver, Reply

INIT_MEMBERS = ("type", "msg_id", "in_reply_to", "node_id", "node_ids")
"""The members of an `init` that are certainly no configuration."""


def init(node: Receiver, message: Message) -> Reply:
    """Sets the node's name, and puts the configuration that comes with it to work.

    It may name only those files, and selectors of third parties, that the operator has.
    """
    body = message.body
    node_id = body.get("node_id")
    if node_id is not None and type(node_id) is not str:
        raise BadMember.at("/body/node_id", f"must be a string, not {json_type(node_id)}")
    before = node.engine.proxy.config
    try:
        members = {k: v for k, v in body.items() if k not in INIT_MEMBERS}
        config = amended(before, members, node.engine.allowed)
        if config is not before:
            node.engine.configure(config)
    except ConfigError as error:
        raise BadMember(problem.under("/body") for problem in error.problems) from None
    if node_id is not None:
        node.name = node_id
    return {}
