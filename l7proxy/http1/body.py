"""Bodies, as they come: what is payload, where the body ends, what follows it.

All readers have one interface, whichever side they read:

    pieces, end = reader.feed(data, start)   # payload within data[start:end]
    reader.complete                          # then data[end:] belongs to what comes next
    reader.end()                             # the sender closed; raises unless that is an end

Payload is passed on as it came, without being collected: a piece is `data` itself or a slice.
Small ones are joined where they are many. `end` may also be where a reader has done enough for
once, because the body came in many small chunks: `data[end:]` is to be fed to it again then.
"""

from __future__ import annotations

import re

from l7proxy.http1.block import STOPS_HERE
from l7proxy.http1.errors import BadRequest
from l7proxy.http1.fields import (
    CHUNKED,
    UNSTATED,
    check_block,
    drop_fields,
    quote,
    split_fields,
)
from l7proxy.http1.grammar import (
    OWS,
    QUOTED,
    TEXT,
    TOKEN,
    describe_forbidden,
    find_forbidden,
    plain_name,
)
from l7proxy.http1.limits import DEFAULT_LIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from l7proxy.http1.errors import BadMessage
    from l7proxy.http1.limits import Limits

    Piece = bytes | memoryview

LAST_CHUNK = b"0\r\n\r\n"

# How many pieces are taken at a time: a hundred thousand chunks of one octet are a quarter second's
# work.
_MOST = 64
# So many pieces cost more, written one by one, than one copy of them.
_MANY = 8
# Below this many bytes a copy is cheaper than a memoryview of them.
_WORTH_A_VIEW = 4096

# Chunk sizes have at most 16 digits, so they fit into 64 bits in every reader. Blanks may stand
# around what divides extensions (BWS, RFC 9112 7.1.1), but not at the end of the line.
_SIZE = rb"([0-9A-Fa-f]{1,16}+)"
_EXTENSIONS = (
    rb"((?>(?:" + OWS + rb";" + OWS + TOKEN
    + rb"(?:" + OWS + rb"=" + OWS + rb"(?:" + TOKEN + rb"|" + QUOTED + rb"))?)*))"
)  # fmt: skip
_match_first_size = re.compile(_SIZE + _EXTENSIONS + rb"\r\n").match
_match_next_size = re.compile(rb"\r\n" + _SIZE + _EXTENSIONS + rb"\r\n").match
_match_first_padded = re.compile(_SIZE + _EXTENSIONS + OWS + rb"\r\n").match
_match_next_padded = re.compile(rb"\r\n" + _SIZE + _EXTENSIONS + OWS + rb"\r\n").match
# What the lines above can look like before they are complete.
_BEGUN = rb"(?:[0-9A-Fa-f]{1,16}+" + OWS + rb"(?:;" + TEXT + rb")?\r?)?"
_is_first_begun = re.compile(_BEGUN).fullmatch
_is_next_begun = re.compile(rb"(?:\r(?:\n" + _BEGUN + rb")?)?").fullmatch

# Trailers that would change what the message is or where it goes (RFC 9110 6.5.1). Whoever
# merges trailers into the head could be led astray by them, so these are refused ...
_REFUSED_TRAILERS = frozenset((b"content-length", b"host", b"transfer-encoding"))
# ... and these, which only matter before the content, are not passed on.
_DROPPED_TRAILERS = STOPS_HERE | {
    b"age",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"expires",
    b"forwarded",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"location",
    b"max-forwards",
    b"pragma",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"trailer",
    b"vary",
    b"via",
    b"warning",
    b"www-authenticate",
}


class LengthBody:
    """A body of a known number of bytes."""

    __slots__ = ("_error", "_left", "complete")

    trailers = b""

    def __init__(self, length: int, error: type[BadMessage] = BadRequest) -> None:
        self._left = length
        self._error = error
        self.complete = length == 0

    def feed(self, data: bytes, start: int = 0) -> tuple[Sequence[Piece], int]:
        """The payload in `data[start:]`, and the index where the body's bytes end."""
        stop = len(data)
        if stop - start > self._left:
            stop = start + self._left
        if stop == start:
            return (), start
        self._left -= stop - start
        self.complete = self._left == 0
        return (_slice(data, start, stop),), stop

    def end(self) -> None:
        """The sender closed. Raises the reader's error if bytes are missing."""
        if self._left:
            raise self._error(f"the connection closed {self._left} bytes before the body's end")


class UntilCloseBody:
    """A response body that lasts until the backend closes."""

    __slots__ = ("complete",)

    trailers = b""

    def __init__(self) -> None:
        self.complete = False

    def feed(self, data: bytes, start: int = 0) -> tuple[Sequence[Piece], int]:
        """The payload in `data[start:]`: all of it."""
        stop = len(data)
        return ((_slice(data, start, stop),) if stop > start else ()), stop

    def end(self) -> None:
        """The sender closed, which completes the body."""
        self.complete = True


class ChunkedBody:
    """A body in chunks (RFC 9112 7.1). Extensions are checked and dropped.

    `trailers`: once complete, the trailer fields that may be passed on, as a field block.
    `feed` raises the reader's error: 400 for what is not a chunked body, 431 for trailers
    beyond the limit.
    """

    __slots__ = (
        "_error",
        "_extensions",
        "_in_trailers",
        "_is_begun",
        "_left",
        "_limits",
        "_match_next",
        "_match_size",
        "_pending",
        "complete",
        "trailers",
    )

    def __init__(
        self,
        error: type[BadMessage] = BadRequest,
        limits: Limits = DEFAULT_LIMITS,
        *,
        padded: bool = False,
    ) -> None:
        """With `padded` there may be blanks behind a size, as some servers write them."""
        self._error = error
        self._limits = limits
        self._left = 0
        self._extensions = 0
        self._in_trailers = False
        self._match_size = _match_first_padded if padded else _match_first_size
        self._match_next = _match_next_padded if padded else _match_next_size
        self._is_begun = _is_first_begun
        # The beginning of a size line or trailer section whose end has not come yet.
        self._pending = b""
        self.complete = False
        self.trailers = b""

    def feed(self, data: bytes, start: int = 0) -> tuple[Sequence[Piece], int]:
        """The payload in `data[start:]`, and the index where the body's bytes end.

        Or where it stopped: behind so many chunks that others should have a turn.
        """
        pieces: list[Piece] = []
        stop = len(data)
        while start < stop and not self.complete and len(pieces) < _MOST:
            if self._left:
                end = start + self._left
                if end > stop:
                    end = stop
                pieces.append(_slice(data, start, end))
                self._left -= end - start
                start = end
            elif self._in_trailers:
                start = self._read_trailers(data, start)
            else:
                start = self._read_size(data, start)
        if len(pieces) > _MANY:
            pieces = [b"".join(pieces)]
        return pieces, start

    def end(self) -> None:
        """The sender closed. Raises the reader's error unless the last chunk has come."""
        if not self.complete:
            raise self._error("the connection closed before the last chunk")

    def _read_size(self, data: bytes, start: int) -> int:
        """Take a chunk's size line, or what there is of it; returns the index behind that."""
        limit = self._limits.chunk_line
        pending = self._pending
        if pending:
            data = pending + data[start : start + limit]
            offset, start = start - len(pending), 0
        else:
            offset = 0
        match = self._match_size(data, start)
        if match is None:
            line = data[start : start + limit]
            if self._is_begun(line) is None:
                raise self._error(f"{quote(line[:20])} where a chunk's size line must be")
            if len(line) == limit:
                raise self._error(f"a chunk's size line is longer than {limit} bytes")
            self._pending = line
            return offset + len(data)
        end = match.end()
        if end - start > limit:
            raise self._error(f"a chunk's size line is longer than {limit} bytes")
        size, extensions = match.groups()
        if extensions:
            self._extensions += len(extensions)
            if self._extensions > self._limits.extensions:
                raise self._error(
                    f"more than {self._limits.extensions} bytes of chunk extensions; send none"
                )
        self._pending = b""
        self._match_size = self._match_next
        self._is_begun = _is_next_begun
        self._left = int(size, 16)
        self._in_trailers = self._left == 0
        return offset + end

    def _read_trailers(self, data: bytes, start: int) -> int:
        """Take the trailer section with its empty line, or what there is of it."""
        pending = self._pending
        section = pending + data[start:] if pending else data[start:]
        if section.startswith(b"\r\n"):
            self.complete = True
            return start + 2 - len(pending)
        limit, seen = self._limits.trailers, len(pending)
        size = section.find(b"\r\n\r\n", max(0, seen - 3)) + 4
        if size < 4 or size > limit:
            bad = find_forbidden(section, max(0, seen - 1), limit)
            if bad is not None and (size < 4 or bad.start() < size):
                raise self._error(f"in the trailers: {describe_forbidden(bad, 0)}")
            if len(section) > limit:
                raise self._error(f"the trailers are larger than {limit} bytes", 431)
            self._pending = section
            return len(data)
        self.trailers = self._check_trailers(section[: size - 2])
        self.complete = True
        return start + size - len(pending)

    def _check_trailers(self, block: bytes) -> bytes:
        check_block(block, self._error)
        names = {name.lower() for name, _ in split_fields(block)}
        refused = names & _REFUSED_TRAILERS
        if refused:
            raise self._error(f"{min(refused).decode()} in the trailers; it belongs in the head")
        dropped = {name for name in names if _is_dropped(plain_name(name))}
        return drop_fields(block, dropped) if dropped else block


def _is_dropped(name: bytes) -> bool:
    """Whether a trailer is not passed on whose name is so once it is plain."""
    return (
        name in _DROPPED_TRAILERS or name in _REFUSED_TRAILERS or name.startswith(b"x-forwarded-")
    )


if TYPE_CHECKING:
    Body = LengthBody | ChunkedBody | UntilCloseBody


def body_reader(
    length: int,
    error: type[BadMessage] = BadRequest,
    limits: Limits = DEFAULT_LIMITS,
    *,
    padded: bool = False,
) -> Body:
    """The reader for a body of `length`: bytes, CHUNKED or UNTIL_CLOSE. It raises `error`.

    With `padded` there may be blanks behind the size of a chunk.
    """
    if length >= 0:
        return LengthBody(length, error)
    if length == CHUNKED:
        return ChunkedBody(error, limits, padded=padded)
    if length == UNSTATED:
        return UntilCloseBody()
    raise ValueError(f"no body has the length {length}; a tunnel is not a body")


def encode_chunk(pieces: Iterable[Piece]) -> list[Piece]:
    """One chunk with the payload of `pieces`, uncopied; [] where there is none.

    An empty chunk must not be written for an empty piece: it would end the body.
    """
    parts = list(pieces)
    size = sum(map(len, parts))
    if size == 0:
        return []
    parts.insert(0, b"%x\r\n" % size)
    parts.append(b"\r\n")
    return parts


def last_chunk(trailers: bytes = b"") -> bytes:
    """The end of a chunked body; `trailers` is a valid field block."""
    return b"0\r\n%b\r\n" % trailers if trailers else LAST_CHUNK


def _slice(data: bytes, start: int, stop: int) -> Piece:
    if stop - start == len(data):
        return data
    if stop - start < _WORTH_A_VIEW:
        return data[start:stop]
    return memoryview(data)[start:stop]
