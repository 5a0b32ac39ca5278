"""JSON texts to envelopes: the reference on the standard library, and msgspec in front of it."""

from __future__ import annotations

from l7proxy.core.config.strict_json import DEEPEST, count_keys, decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Decode = Callable[[bytes], Any]

LONGEST_FAST = 4096
"""Envelopes of fewer bytes may be decoded by msgspec."""


def decode_envelope(text: bytes) -> Any:
    """The JSON value in `text`; of an object, `repeated` names all keys that are written twice.

    Raises `NotJson`.
    """
    value, repeated = decode_json(text)
    if repeated and isinstance(value, dict):
        value.repeated = tuple(repeated)  # type: ignore[attr-defined]
    return value


def msgspec_decoder() -> Decode | None:
    """The decoder of msgspec, which raises ValueError; None where that is not installed."""
    try:
        from msgspec.json import Decoder
    except ImportError:
        return None
    return Decoder().decode


class EnvelopeDecoder:
    """`decode_envelope`, with msgspec for the common case where that is installed.

    What msgspec decodes is taken if nothing about the text could make the reference think
    otherwise; everything else, and everything it refuses, is the reference's to decide. Importing
    it takes as long as decoding thousands of envelopes, so that happens after the first `warm_up`.
    """

    def __init__(
        self, warm_up: int = 1000, find_fast: Callable[[], Decode | None] = msgspec_decoder
    ) -> None:
        self._before_fast = warm_up
        """How many envelopes the reference decodes before `find_fast` is asked for a faster one."""
        self._find_fast = find_fast
        self._fast: Decode | None = None

    def __call__(self, text: bytes) -> Any:
        """As `decode_envelope`."""
        if self._fast is None:
            self._before_fast -= 1
            if self._before_fast == 0:
                self._fast = self._find_fast()
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
