"""Our own envelopes, one to a line: what the node reads, and what `--record` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from l7proxy.tools.formats.format import Format
from l7proxy.tools.formats.line import BadLine, Envelope, decode_json


def read(line: str) -> Envelope:
    """Returns the envelope in a line; raises `BadLine` where there is none."""
    value = decode_json(line)
    if not isinstance(value, dict) or not isinstance(value.get("body"), dict):
        raise BadLine("not an envelope: it needs a body")
    if not isinstance(value.get("src"), str):
        raise BadLine("not an envelope: it needs a src")
    at = value.get("at")
    if at is not None and type(at) not in (int, float):
        raise BadLine("at must be a number of seconds")
    return value


def _fits(value: Mapping[str, Any]) -> int:
    return 50 * isinstance(value.get("body"), dict) + 50 * isinstance(value.get("src"), str)


FORMAT = Format(
    "envelopes",
    what="the node, with `--record`",
    sign="JSON objects with a `src` and a `body`",
    fits=_fits,
)
