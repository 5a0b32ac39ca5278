"""Our own envelopes, one to a line: what the node reads, and what `--record` writes."""

from __future__ import annotations

import json

from l7proxy.core.config.strict_json import why_not
from l7proxy.tools.formats.line import BadLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.tools.formats.line import Envelope

_decode = json.JSONDecoder().decode


def read(line: str) -> Envelope:
    """The envelope in a line; raises `BadLine` where there is none."""
    try:
        value = _decode(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {why_not(error)}") from None
    if not isinstance(value, dict) or not isinstance(value.get("body"), dict):
        raise BadLine("not an envelope: it needs a body")
    if not isinstance(value.get("src"), str):
        raise BadLine("not an envelope: it needs a src")
    at = value.get("at")
    if at is not None and type(at) not in (int, float):
        raise BadLine("at must be a number of seconds")
    found: Envelope = value
    return found
