"""JSON texts to envelopes, replies to lines: the reference, on the standard library alone."""

from __future__ import annotations

import json

from l7proxy.core.strict_json import decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MALFORMED = 12
NOT_SUPPORTED = 10
CRASH = 13
"""Maelstrom's error codes."""


class Malformed(Exception):
    """The envelope is JSON and not a valid message; the text says where and why."""


def decode_envelope(text: bytes) -> Any:
    """The JSON value in `text`; of an object, `repeated` names all keys that are written twice.

    Raises `NotJson`.
    """
    value, repeated = decode_json(text)
    if repeated and isinstance(value, dict):
        value.repeated = tuple(repeated)  # type: ignore[attr-defined]
    return value


def encode_envelope(src: str, dest: str, body: dict[str, Any]) -> bytes:
    """The line for a message, with its newline."""
    line = json.dumps({"src": src, "dest": dest, "body": body})
    return line.encode() + b"\n"
