"""A node to talk to, on a wall clock that stands where a test says."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from l7proxy.core.config import config_from, parse_config
from l7proxy.core.pool.pool import Pool
from l7proxy.node import Node
from tests.golden.replay import ROOT

DEFAULT = (ROOT / "config" / "backends.json").read_bytes()


class Conversation:
    """A node with a configuration, by default the one that it runs with without any.

    `log` has the lines that are only logged. `options` are the node's.
    """

    def __init__(self, config: dict[str, Any] | None = None, **options: Any) -> None:
        self.log: list[str] = []
        made = parse_config(DEFAULT) if config is None else config_from(config)
        self.node = Node(made, Random(0), self.log.append, **options)

    @property
    def pools(self) -> dict[str, Pool]:
        """The pools of the configuration in force."""
        return self.node.engine.proxy.pools

    def say_raw(self, text: str | bytes) -> str:
        """Sends a line as it is; returns what comes out."""
        data = text.encode() if isinstance(text, str) else text
        return self.node.feed(data + b"\n", 0.0).decode()

    def say(self, envelope: Any, now: float = 0.0) -> list[Any]:
        """Sends an envelope at `now` on the wall clock; returns the envelopes that come out."""
        return envelopes(self.node.feed(json.dumps(envelope).encode() + b"\n", now))

    def request(self, now: float = 0.0, *, at: Any = None, **body: Any) -> list[Any]:
        """Sends a request for /p, or what else `body` says; returns the envelopes that come out."""
        envelope: dict[str, Any] = {"src": "c", "dest": "lb"}
        if at is not None:
            envelope["at"] = at
        envelope["body"] = {"type": "http_request", "msg_id": 1, "path": "/p", **body}
        return self.say(envelope, now)

    def body(self, **body: Any) -> Any:
        """Sends a body; returns the body of the only reply, or None where there is none."""
        replies = self.say({"src": "c1", "dest": "n1", "body": body})
        return only(replies)["body"] if replies else None

    def get(self, path: str, **body: Any) -> Any:
        """Requests a path; returns the body of the only reply, or None where there is none."""
        return self.body(type="http_request", msg_id=1, path=path, **body)


def one_pool(**pool: Any) -> dict[str, Any]:
    """A configuration with the pool `p`, which has the backend `a` unless `pool` says otherwise."""
    return {"backend_pools": {"p": {"backends": ["a:1"], **pool}}}


def envelopes(out: bytes) -> list[Any]:
    """The envelopes in a node's output."""
    return [json.loads(line) for line in out.splitlines()]


def only(values: list[Any]) -> Any:
    """The only one of the values."""
    (value,) = values
    return value
