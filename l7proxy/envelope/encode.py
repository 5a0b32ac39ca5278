"""Messages to lines."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def encode_envelope(src: str, dest: str, at: float | None, body: Mapping[str, Any]) -> bytes:
    """The line for a message, with its newline; `at` (seconds) only where time is virtual."""
    envelope: dict[str, Any] = {"src": src, "dest": dest}
    if at is not None:
        envelope["at"] = at
    envelope["body"] = body
    return json.dumps(envelope).encode() + b"\n"
