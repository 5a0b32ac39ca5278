"""Responses that break the grammar, and can still be read in one way only.

Lines may end in a bare LF, the status may stand behind more than one blank, and the same length may
be said more than once. They are written as they should have been before anybody looks at them, so
that what is passed on never shows it. Of clients nothing of this is taken: what another server in
front of this one made of it is not known.
"""

from __future__ import annotations

import re

from l7proxy.http1.errors import BadMessage, BadResponse
from l7proxy.http1.grammar import describe_forbidden
from l7proxy.http1.limits import DEFAULT_LIMITS
from l7proxy.http1.response import ResponseHead, ResponseParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.http1.limits import Limits

_find_end = re.compile(rb"\n\r?\n").search
_find_forbidden = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]").search
_match_blanks = re.compile(rb"(HTTP/1\.[01]) {2,}+([1-9][0-9]{2}[ \r])").match
_find_lengths = re.compile(rb"\r\n(?i:content-length):[ \t]*+([^\r]*)").findall
_drop_lengths = re.compile(rb"\r\n(?i:content-length):[^\r]*+").sub


class LenientResponseParser(ResponseParser):
    """Parses the heads of responses, and those that are wrong without being ambiguous."""

    __slots__ = ("_strict",)

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, remember: int = 512) -> None:
        super().__init__(limits, remember=remember)
        self._strict = ResponseParser(limits, remember=remember)

    def _parse_begun(
        self, data: bytes, start: int, scanned: int
    ) -> tuple[ResponseHead, int] | None:
        end = _find_end(data, max(start, scanned - 2))
        if end is not None:
            return self._corrected(data[start : end.end()]), end.end()
        bad = _find_forbidden(data, max(start, scanned - 1))
        if bad is not None:
            raise BadResponse(describe_forbidden(bad, start))
        self._check_begun(data, start)
        return None

    def _parse_odd(self, data: bytes, start: int, raw: bytes) -> tuple[ResponseHead, int]:
        end = _find_end(raw)
        assert end is not None
        return self._corrected(raw[: end.end()]), start + end.end()

    def _parse_contradictory(self, raw: bytes, error: BadMessage) -> ResponseHead:
        return self._corrected(raw)

    def _corrected(self, raw: bytes) -> ResponseHead:
        """The head in bytes that are one, once they are written as they should be."""
        parsed = self._strict.parse(correct(raw))
        assert parsed is not None
        self.idle_limit = min(self.idle_limit, self._strict.idle_limit)
        return parsed[0]


def correct(raw: bytes) -> bytes:
    """Returns a head as it should have been written, where that is certain."""
    raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    blanks = _match_blanks(raw)
    if blanks is not None:
        raw = b"%b %b%b" % (blanks[1], blanks[2], raw[blanks.end() :])
    lengths = [each.strip(b" \t") for line in _find_lengths(raw) for each in line.split(b",")]
    if len(lengths) > 1 and len(set(lengths)) == 1:
        raw = _drop_lengths(b"", raw)[:-2] + b"Content-Length: %b\r\n\r\n" % lengths[0]
    return raw
