"""The header-field block: checked as a whole, and touched only where something must be known.

A proxy passes most fields on unread. Where all that has to be known of a head is what `block` finds
on the way, there are no `Fields` of it unless somebody asks. Otherwise a second expression picks
out the fields that say something about framing, connection or routing, and everything else stays
the bytes it came in: `Fields.forwardable`.

Parsing is a pure function of the block and its result never changes, hence it can be remembered.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import inf

from l7proxy.core.http.grammar import quote as quote_text
from l7proxy.core.http.head import MET, more_than_one, not_a_host, not_a_name, not_met
from l7proxy.core.http.hop_by_hop import (
    CLAIMS,
    CLAIMS_PREFIX,
    is_claim,
    is_unbelievable,
    may_be_listed,
)
from l7proxy.http1.block import (
    AT_MOST_ONCE,
    FIELD,
    LENGTH,
    STOPS_HERE,
    find_request_fields,
    find_response_fields,
)
from l7proxy.http1.errors import BadRequest, BadResponse
from l7proxy.http1.grammar import is_authority, is_token, plain_name, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from l7proxy.http1.errors import BadMessage

# What Fields.length says when it is not a number of bytes.
CHUNKED = -1
UNSTATED = -2

_is_block = re.compile(rb"(?>(?:" + FIELD + rb")*)").fullmatch
_match_field = re.compile(FIELD).match
_find_fields = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n").finditer
_find_text_fields = re.compile(r"([^:]++):[ \t]*+((?:[^\r]*[^\r \t])?)[ \t]*+\r\n").findall

_is_length = re.compile(rb"0*+" + LENGTH + rb"|0++").fullmatch

_find_timeout = re.compile(rb"(?i:(?:\A|[ ,;\t])timeout[ \t]*+=[ \t]*+)([0-9]{1,9}+)").search

_CLAIMS_PREFIX = CLAIMS_PREFIX.encode()
_CLAIMS = frozenset(name.encode() for name in CLAIMS if name.startswith(CLAIMS_PREFIX))
# What is taken out: what stops at this hop, and what the proxy writes itself or has to check.
_TAKEN_OUT = STOPS_HERE | {b"expect", b"forwarded", b"via"}
_MET = MET.encode()
_CONTENT_LENGTH = frozenset((b"content-length",))
_FRAMING = _CONTENT_LENGTH | {b"transfer-encoding"}
_AT_MOST_ONCE = AT_MOST_ONCE | _FRAMING

_NO_OPTIONS: frozenset[bytes] = frozenset()
_COMMON_OPTIONS = {
    option: frozenset((option,)) for option in (b"keep-alive", b"close", b"upgrade")
} | {b"keep-alive, upgrade": frozenset((b"keep-alive", b"upgrade"))}


class Fields:
    """A valid header-field block and what framing and connection handling need from it.

    `block`: the bytes as they came, each field with its CRLF.
    `forwardable`: the block without hop-by-hop fields, fields named in Connection, and fields
        the proxy writes itself or has to check first (in requests: Expect, Via, Forwarded, and
        all that is called X-Forwarded-...).
        Host and Content-Length stay. What differs from such a name in underscores alone does not.
    `length`: the Content-Length, or CHUNKED, or UNSTATED.
    `connection`: the options of Connection, in lower case.
    `upgrade`: the value of Upgrade where Connection lists it (RFC 9110 7.8), else None.
    """

    __slots__ = (
        "_found",
        "block",
        "connection",
        "forwardable",
        "length",
        "upgrade",
    )

    def __init__(
        self,
        block: bytes,
        find: Callable[[bytes], Iterator[re.Match[bytes]]],
        error: type[BadMessage],
    ) -> None:
        """`block` is valid, and `find` picks out of it what has to be known. Raises `error`."""
        self.block = block
        self._found, forwardable = _pick(block, find, error)
        self.connection = options = _options(self._found.get(b"connection"), error)
        if options:
            listed = [option for option in options if may_be_listed(option.decode("ascii"))]
            if listed:
                forwardable = drop_fields(forwardable, listed)
        self.forwardable = forwardable
        self.upgrade = self._found.get(b"upgrade") if b"upgrade" in options else None
        self.length = length = _length(self._found, error)
        if length >= 0 and self._found[b"content-length"] != b"%d" % length:
            # Leading zeros are in the grammar, but some take them for octal.
            forwardable = drop_fields(forwardable, _CONTENT_LENGTH)
            self.forwardable = b"%bContent-Length: %d\r\n" % (forwardable, length)

    def items(self) -> tuple[tuple[bytes, bytes], ...]:
        """All fields of the block in order: name as it came, value without outer whitespace."""
        return split_fields(self.block)

    def all(self, name: str | bytes) -> tuple[bytes, ...]:
        """The values of every field called `name` (in lower case), in order."""
        return find_values(self.block, name)

    def get(self, name: str | bytes) -> bytes | None:
        """The value of the field `name` (in lower case); several are joined by ", "."""
        return find_value(self.block, name)


class RequestFields(Fields):
    """A request's fields.

    What the client claims of where the request came from is to be believed only from a trusted
    proxy.
    """

    __slots__ = ()

    def __init__(self, block: bytes) -> None:
        """`block` is valid. Raises BadRequest for what it says, as `parse_request_fields` does."""
        super().__init__(block, find_request_fields, BadRequest)
        host, expect = self.host, self._found.get(b"expect")
        if host is not None and is_authority(host) is None:
            raise BadRequest(not_a_host(text_of(host)))
        if expect is not None and expect.lower() != _MET:
            raise BadRequest(not_met(text_of(expect)), 417)

    @property
    def host(self) -> bytes | None:
        """The Host field's value, checked; None where there is none."""
        return self._found.get(b"host")

    @property
    def expect_continue(self) -> bool:
        """Whether Expect asks for 100 (Continue) (RFC 9110 10.1.1)."""
        return b"expect" in self._found

    @property
    def accepts_trailers(self) -> bool:
        """Whether TE lists `trailers`."""
        return b"trailers" in _split_list(self._found.get(b"te", b"").lower())

    @property
    def forwarded_for(self) -> bytes | None:
        """The value of X-Forwarded-For, several lines joined by ", ", or None; a claim."""
        return self._found.get(b"x-forwarded-for")

    @property
    def forwarded_proto(self) -> bytes | None:
        """The same of X-Forwarded-Proto."""
        return self._found.get(b"x-forwarded-proto")

    @property
    def forwarded_host(self) -> bytes | None:
        """The same of X-Forwarded-Host."""
        return self._found.get(b"x-forwarded-host")

    @property
    def forwarded_more(self) -> bytes:
        """The lines of all other fields called X-Forwarded-..., which are claims, too."""
        if not any(map(_is_another_claim, self._found)):
            return b""
        return b"".join(
            match[0] for match in _find_fields(self.block) if _is_another_claim(match[1].lower())
        )

    @property
    def has_claims(self) -> bool:
        """Whether there is a claim about where the request came from, in any spelling."""
        return any(is_claim(name.decode("ascii")) for name in self._found)

    @property
    def forwarded(self) -> bytes | None:
        """The value of Forwarded, several lines joined by ", ", or None; a claim."""
        return self._found.get(b"forwarded")

    @property
    def via(self) -> bytes | None:
        """The same of Via."""
        return self._found.get(b"via")


class ResponseFields(Fields):
    """A response's fields."""

    __slots__ = ()

    def __init__(self, block: bytes) -> None:
        """`block` is valid. Raises BadResponse for what it says."""
        super().__init__(block, find_response_fields, BadResponse)

    @property
    def idle_limit(self) -> float:
        """How long an idle connection is kept, by `Keep-Alive: timeout=`, in seconds, or inf."""
        found = _find_timeout(self._found.get(b"keep-alive", b""))
        return inf if found is None else float(found[1])

    @property
    def offer(self) -> bytes:
        """The lines of a 426 that say what to upgrade to, without which it is none (RFC 9110
        15.5.22); b"" where there are none."""
        offered = self._found.get(b"upgrade")
        return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % offered if offered else b""

    @property
    def has_date(self) -> bool:
        """Whether there is a Date: a proxy adds one where it is missing (RFC 9110 6.6.1)."""
        return b"date" in self._found


def parse_request_fields(block: bytes) -> RequestFields:
    """The fields of a request from the bytes between its request line and its empty line.

    `block` ends with the last field's CRLF and does not contain the empty line; it may be b"".
    Raises BadRequest: 400 malformed, 417 for an unknown Expect, 501 for an unknown coding.
    """
    check_block(block, BadRequest)
    return RequestFields(block)


def parse_response_fields(block: bytes) -> ResponseFields:
    """The fields of a response, as `parse_request_fields` does it. Raises BadResponse."""
    check_block(block, BadResponse)
    return ResponseFields(block)


def check_block(block: bytes, error: type[BadMessage]) -> None:
    """Raise `error` unless `block` is a sequence of field lines, each with its CRLF."""
    if _is_block(block) is None:
        raise error(explain_block(block))


def split_fields(block: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """(name, value) of each field of a valid block, values without outer whitespace."""
    return tuple((m[1], m[2].rstrip(b" \t")) for m in _find_fields(block))


def text_fields(block: bytes) -> list[tuple[str, str]]:
    """The same as text."""
    return _find_text_fields(block.decode("latin-1"))


def find_values(block: bytes, name: str | bytes) -> tuple[bytes, ...]:
    """The values of every field of a valid block that is called `name` (in lower case)."""
    if isinstance(name, str):
        name = name.encode("ascii")
    return tuple(value.rstrip(b" \t") for value in _finder(name)(block))


def find_value(block: bytes, name: str | bytes) -> bytes | None:
    """The value of the field `name` (in lower case), several joined by ", "; None without any."""
    values = find_values(block, name)
    return b", ".join(values) if values else None


@lru_cache(64)
def _finder(name: bytes) -> Callable[[bytes], list[bytes]]:
    return re.compile(rb"(?:\A|\n)(?i:" + re.escape(name) + rb"):[ \t]*+([^\r]*+)\r").findall


def drop_fields(block: bytes, names: Container[bytes]) -> bytes:
    """A valid block without the fields called `names` (in lower case), the rest untouched."""
    return b"".join([m[0] for m in _find_fields(block) if m[1].lower() not in names])


def drop_claims(block: bytes, *, trusted: bool) -> bytes:
    """A valid block without the claims that are not believed, the rest untouched."""
    return b"".join(
        m[0]
        for m in _find_fields(block)
        if not is_unbelievable(m[1].decode("ascii"), trusted=trusted)
    )


def quote(value: bytes) -> str:
    """`value` for an error text: visible, and cut where it is long."""
    return quote_text(text_of(value))


def _pick(
    block: bytes,
    find: Callable[[bytes], Iterator[re.Match[bytes]]],
    error: type[BadMessage],
) -> tuple[dict[bytes, bytes], bytes]:
    """The values of the fields that `find` picks out, by name, and the block without some of them.

    What an underscore makes alike has no value here. The block is without those of `_TAKEN_OUT`,
    and without claims and what an underscore makes alike.
    """
    found: dict[bytes, bytes] = {}
    kept: list[bytes] = []
    kept_to = 0
    for match in find((b"\n" + block).lower()):
        name = match[1]
        plain = plain_name(name)
        is_alias = plain != name
        if is_alias and plain in AT_MOST_ONCE:
            name, is_alias = plain, False
        if is_alias:
            found[name] = b""
        else:
            start, end = match.span(2)
            value = block[start - 1 : end - 1].rstrip(b" \t")
            if name not in found:
                found[name] = value
            elif name in _AT_MOST_ONCE:
                raise error(more_than_one(name.decode()))
            else:
                found[name] += b", " + value
        if is_alias or name in _TAKEN_OUT or name.startswith(_CLAIMS_PREFIX):
            start, end = match.span()
            kept.append(block[kept_to:start])
            kept_to = end
    if not kept_to:
        return found, block
    kept.append(block[kept_to:])
    return found, b"".join(kept)


def _is_another_claim(name: bytes) -> bool:
    """Whether a field called so (in lower case) is a claim that has no property of its own."""
    return name.startswith(_CLAIMS_PREFIX) and name not in _CLAIMS and plain_name(name) == name


def _length(found: dict[bytes, bytes], error: type[BadMessage]) -> int:
    """How long the body is, by the fields that say so: bytes, CHUNKED or UNSTATED."""
    length = found.get(b"content-length")
    coding = found.get(b"transfer-encoding")
    if coding is not None:
        _check_coding(coding.lower(), length, error)
        return CHUNKED
    if length is None:
        return UNSTATED
    if _is_length(length) is None:
        raise error(f"Content-Length is {quote(length)}; it must be one decimal number")
    return int(length.lstrip(b"0") or b"0")


def _split_list(value: bytes) -> list[bytes]:
    """The members of a comma-separated list; empty ones do not count (RFC 9110 5.6.1.2)."""
    return [member for part in value.split(b",") if (member := part.strip(b" \t"))]


def _options(connection: bytes | None, error: type[BadMessage]) -> frozenset[bytes]:
    """The options of a Connection field, in lower case."""
    if connection is None:
        return _NO_OPTIONS
    connection = connection.lower()
    options = _COMMON_OPTIONS.get(connection)
    if options is None:
        listed = _split_list(connection)
        for option in listed:
            if is_token(option) is None:
                raise error(f"Connection lists {quote(option)}, which cannot be a field's name")
        options = frozenset(listed)
    return options


def _check_coding(coding: bytes, length: bytes | None, error: type[BadMessage]) -> None:
    """Raise unless the body's one transfer coding is chunked, with no length beside it."""
    codings = _split_list(coding)
    if not codings or not all(map(is_token, codings)):
        raise error(f"Transfer-Encoding is {quote(coding)}; it must be chunked")
    if length is not None:
        raise error("both Transfer-Encoding and Content-Length are sent; send one of them")
    if codings != [b"chunked"]:
        if b"chunked" in codings[:-1]:
            raise error(f"Transfer-Encoding is {quote(coding)}; chunked must come once and last")
        raise error(f"Transfer-Encoding is {quote(coding)}; only chunked is supported", 501)


def explain_block(block: bytes) -> str:
    """What is wrong with the first field line of a block that is not one."""
    number = 1
    start = 0
    while (match := _match_field(block, start)) is not None:
        number += 1
        start = match.end()
    end = block.find(b"\r\n", start)
    line = block[start : end if end >= 0 else len(block)]
    where = f"header field {number} ({quote(line)})"
    if line[:1] in (b" ", b"\t"):
        return f"{where} begins with whitespace; folded lines are obsolete, send one line"
    name, colon, value = line.partition(b":")
    if not colon:
        return f"{where} has no colon; write Name: value"
    if is_token(name) is None:
        return not_a_name(text_of(name))
    for index, byte in enumerate(value):
        if (byte < 0x20 and byte != 0x09) or byte == 0x7F:
            return f"{where} has the control byte 0x{byte:02x} at byte {index} of its value"
    return f"{where} does not end in CRLF"
