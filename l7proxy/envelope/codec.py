"""JSON texts to envelopes, replies to lines: the reference, on the standard library alone."""

from __future__ import annotations

import json

from l7proxy.core.config.strict_json import DEEPEST, count_keys, decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

LONGEST_FAST = 4096
"""Envelopes of fewer bytes may be decoded by msgspec."""

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


class EnvelopeDecoder:
    """`decode_envelope`, with msgspec for the common case where that is installed.

    What msgspec decodes is taken if nothing about the text could make the reference think
    otherwise; everything else, and everything it refuses, is the reference's to decide. Importing
    it takes as long as decoding thousands of envelopes, so that happens after the first `patience`.
    """

    def __init__(self, patience: int = 1000) -> None:
        self._patience = patience
        self._fast: Callable[[bytes], Any] | None = None

    def __call__(self, text: bytes) -> Any:
        """As `decode_envelope`."""
        if self._fast is None:
            self._patience -= 1
            if self._patience == 0:
                self._fast = _find_fast()
            return decode_envelope(text)
        # Longer texts may have integers that Python does not convert.
        if len(text) < LONGEST_FAST and text.count(b"{") + text.count(b"[") <= DEEPEST:
            try:
                value = self._fast(text)
            except ValueError:
                return decode_envelope(text)
            # Every key has a colon behind it: as many of each, and none is written twice.
            if text.count(b":") == count_keys(value):
                return value
        return decode_envelope(text)


def _find_fast() -> Callable[[bytes], Any] | None:
    try:
        from msgspec.json import Decoder
    except ImportError:
        return None
    return Decoder().decode


def encode_envelope(src: str, dest: str, at: float | None, body: Mapping[str, Any]) -> bytes:
    """The line for a message, with its newline; `at` only where time is virtual."""
    envelope: dict[str, Any] = {"src": src, "dest": dest}
    if at is not None:
        envelope["at"] = at
    envelope["body"] = body
    return json.dumps(envelope).encode() + b"\n"
