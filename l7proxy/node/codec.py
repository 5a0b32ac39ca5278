"""JSON texts to envelopes, replies to lines: the reference, on the standard library alone."""

from __future__ import annotations

import json

from l7proxy.core.strict_json import decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MALFORMED = 12
NOT_SUPPORTED = 10
CRASH = 13
"""Maelstrom's error codes."""


def decode_envelope(text: bytes) -> Any:
    """The JSON value in `text`; of an object, `repeated` names all keys that are written twice.

    Raises `NotJson`.
    """
    value, repeated = decode_json(text)
    if repeated and isinstance(value, dict):
        value.repeated = tuple(repeated)  # type: ignore[attr-defined]
    return value


def encode_envelope(src: str, dest: str, at: float | None, body: Mapping[str, Any]) -> bytes:
    """The line for a message, with its newline; `at` only where time is virtual."""
    envelope: dict[str, Any] = {"src": src, "dest": dest}
    if at is not None:
        envelope["at"] = at
    envelope["body"] = body
    return json.dumps(envelope).encode() + b"\n"
