"""JSON texts to envelopes: the reference, and what is faster in front of it."""

from __future__ import annotations

from l7proxy.core.config.strict_json import DEEPEST, decode_carelessly, decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Decode = Callable[[bytes], Any]

_BACKSLASH, _ARRAY = b"\\["
LONGEST_FAST = 4096
"""Envelopes of fewer bytes may be decoded by msgspec: the integers in longer ones may have more
digits than Python converts."""


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
    """`decode_envelope`, with the fastest decoder there is in front of it.

    What that decodes is taken if nothing about the text could make the reference think otherwise;
    everything else, and everything it refuses, is the reference's to decide. Importing msgspec
    takes as long as decoding thousands of envelopes: the first `warm_up` are decoded without.
    """

    def __init__(
        self, warm_up: int = 1000, find_fast: Callable[[], Decode | None] = msgspec_decoder
    ) -> None:
        self._before_fast = warm_up
        """How many envelopes come before `find_fast` is asked for a faster decoder."""
        self._find_fast = find_fast
        self._fast: Decode = decode_carelessly

    def __call__(self, text: bytes) -> Any:
        """As `decode_envelope`."""
        fast = self._fast
        if self._before_fast:
            self._before_fast -= 1
            if not self._before_fast:
                self._fast = self._find_fast() or fast
        if len(text) < LONGEST_FAST:
            try:
                value = fast(text)
            except (ValueError, RecursionError):
                return decode_envelope(text)
            if _is_surely_the_same(value, text):
                return value
        return decode_envelope(text)


def _is_surely_the_same(value: Any, text: bytes) -> bool:
    """Whether the reference is sure to make the same of the text; False where that takes a look.

    Every key has a colon behind it: where there are no more colons than keys came out, no key was
    written twice. What is left over must be inside strings, as far as none is written as an escape.
    And without arrays every object but the outermost is behind a colon, too.
    """
    colons = text.count(b":")
    if colons >= DEEPEST or (_ARRAY in text and text.count(b"[") + text.count(b"{") > DEEPEST):
        return False
    values: Any = ()
    left = colons
    try:
        body = value["body"]
        headers = body["headers"]
        if type(headers) is dict:
            left -= len(value) + len(body) + len(headers)
            values = headers.values()
    except (TypeError, KeyError):
        # It is no request.
        pass
    if not left:
        return True
    if _BACKSLASH in text and b"\\u003" in text:
        # Perhaps a colon, written as an escape.
        return False
    try:
        if "".join(values).count(":") == left:
            return True
    except TypeError:
        # A header has several lines.
        pass
    keys, in_strings = _count(value)
    return colons == keys + in_strings


def _count(value: Any) -> tuple[int, int]:
    """How many keys the objects in a value have, and how many colons its strings."""
    keys = colons = 0
    values = [value]
    for item in values:
        if type(item) is str:
            colons += item.count(":")
        elif type(item) is dict:
            keys += len(item)
            values += item
            values += item.values()
        elif type(item) is list:
            values += item
    return keys, colons
