"""The header-field block: checked as a whole, and touched only where something must be known.

A proxy passes most fields on unread. So the block is validated by one regular expression,
a second one picks out the few fields that say something about framing, connection or routing,
and everything else stays the bytes it came in: `Fields.forwardable`.

Parsing is a pure function of the block and its result never changes, hence it can be remembered.
"""

from __future__ import annotations

import re

from l7proxy.core.http.grammar import quote as quote_text
from l7proxy.core.http.head import MET, more_than_one, not_a_host, not_a_name, not_met
from l7proxy.http1.errors import BadRequest, BadResponse
from l7proxy.http1.grammar import OWS, TEXT, TOKEN, is_authority, is_token, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from l7proxy.http1.errors import BadMessage

# What Fields.length says when it is not a number of bytes.
CHUNKED = -1
UNSTATED = -2

_FIELD = TOKEN + rb":" + TEXT + rb"\r\n"
_is_block = re.compile(rb"(?:" + _FIELD + rb")*+").fullmatch
_match_field = re.compile(_FIELD).match
_find_fields = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n").finditer

# Names are matched in a lower-cased copy of the block, which is cheaper than ignoring case.
# A match runs from the LF before the field to the field's CR, that is (with one LF put in front
# of the copy) over the very indices of the field and its CRLF in the block itself.
# In CGI variables a hyphen is an underscore: `X_Forwarded_For` would be to many backends what only
# the proxy may say, and `Content_Length` the length of another body.
_REQUEST_NAMES = (
    rb"host|con(?:tent[-_]length|nection)|t(?:e|ransfer[-_]encoding)|upgrade|expect|keep-alive"
    rb"|proxy-(?:connection|auth(?:enticate|orization))|via|forwarded"
    rb"|x[-_]forwarded[-_][^:]++"
)
_RESPONSE_NAMES = (
    rb"date|con(?:tent-length|nection)|t(?:e|ransfer-encoding)|upgrade|keep-alive"
    rb"|proxy-(?:connection|auth(?:enticate|orization))"
)
_find_request_fields = re.compile(
    rb"\n(" + _REQUEST_NAMES + rb"):" + OWS + rb"([^\r]*+)\r"
).finditer
_find_response_fields = re.compile(
    rb"\n(" + _RESPONSE_NAMES + rb"):" + OWS + rb"([^\r]*+)\r"
).finditer

# Fields that stop at this hop (RFC 9110 7.6.1, 11.7), and those about the client's side
# that are taken out because the proxy writes its own (RFC 7239).
_STOP_HERE = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    )
)
_REWRITTEN = frozenset((b"expect", b"forwarded", b"via"))
_CLAIMS_PREFIX = b"x-forwarded-"
_CLAIMS = frozenset((b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))
_TAKEN_OUT = _STOP_HERE | _REWRITTEN
_ORDINARY = frozenset((b"connection", b"content-length", b"host", b"transfer-encoding"))
_AT_MOST_ONCE = frozenset((b"content-length", b"host", b"transfer-encoding"))

# A Connection field cannot make these disappear: a client could otherwise have the proxy remove
# what the backend relies on (who the client is, how long the body is, under which rules to cache).
_NEVER_BY_CONNECTION = frozenset(
    (
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"expires",
        b"host",
        b"location",
        b"origin",
        b"range",
        b"set-cookie",
        b"traceparent",
        b"tracestate",
        b"vary",
        b"x-real-ip",
        b"x-request-id",
    )
)

_MET = MET.encode()

_NO_OPTIONS: frozenset[bytes] = frozenset()
_COMMON_OPTIONS = {
    option: frozenset((option,)) for option in (b"keep-alive", b"close", b"upgrade")
} | {b"keep-alive, upgrade": frozenset((b"keep-alive", b"upgrade"))}

# Leading zeros are within the grammar, but some readers take them for octal; 18 digits are
# more than any body and fit into 64 bits everywhere.
_is_length = re.compile(rb"0|[1-9][0-9]{0,17}+").fullmatch

# More sets of names than this per block are not remembered by `without`.
_REMEMBERED_CUTS = 4


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
        "_cuts",
        "_index",
        "_items",
        "block",
        "connection",
        "forwardable",
        "length",
        "upgrade",
    )

    block: bytes
    forwardable: bytes
    length: int
    connection: frozenset[bytes]
    upgrade: bytes | None
    _items: tuple[tuple[bytes, bytes], ...] | None
    _index: dict[bytes, tuple[bytes, ...]] | None
    _cuts: dict[frozenset[bytes], bytes] | None

    def items(self) -> tuple[tuple[bytes, bytes], ...]:
        """All fields of the block in order: name as it came, value without outer whitespace."""
        if self._items is None:
            self._items = split_fields(self.block)
        return self._items

    def all(self, name: str | bytes) -> tuple[bytes, ...]:
        """The values of every field called `name` (in lower case), in order."""
        if isinstance(name, str):
            name = name.encode("ascii")
        if self._index is None:
            lists: dict[bytes, list[bytes]] = {}
            for field, value in self.items():
                lists.setdefault(field.lower(), []).append(value)
            self._index = {field: tuple(values) for field, values in lists.items()}
        return self._index.get(name, ())

    def get(self, name: str | bytes) -> bytes | None:
        """The value of the field `name` (in lower case); several are joined by ", "."""
        values = self.all(name)
        if not values:
            return None
        return values[0] if len(values) == 1 else b", ".join(values)

    def without(self, names: frozenset[bytes]) -> bytes:
        """`forwardable` without the fields called `names` (in lower case)."""
        if self._cuts is None:
            self._cuts = {}
        kept = self._cuts.get(names)
        if kept is None:
            kept = drop_fields(self.forwardable, names)
            if len(self._cuts) < _REMEMBERED_CUTS:
                self._cuts[names] = kept
        return kept


class RequestFields(Fields):
    """A request's fields.

    `host`: the Host field's value, checked; None where there is none.
    `expect_continue`: whether Expect asks for 100 (Continue) (RFC 9110 10.1.1).
    `accepts_trailers`: whether TE lists `trailers`.
    `forwarded_for`, `forwarded_proto`, `forwarded_host`, `forwarded`, `via`: the values of
        X-Forwarded-For/-Proto/-Host, Forwarded and Via, several lines joined by ", ", or None.
        They are what the client claims, to be believed only from a trusted proxy.
    `forwarded_more`: the lines of all others called X-Forwarded-..., which are claims, too.
    """

    __slots__ = (
        "accepts_trailers",
        "expect_continue",
        "forwarded",
        "forwarded_for",
        "forwarded_host",
        "forwarded_more",
        "forwarded_proto",
        "host",
        "via",
    )

    host: bytes | None
    expect_continue: bool
    accepts_trailers: bool
    forwarded_for: bytes | None
    forwarded_proto: bytes | None
    forwarded_host: bytes | None
    forwarded: bytes | None
    forwarded_more: bytes
    via: bytes | None


class ResponseFields(Fields):
    """A response's fields. `has_date`: a proxy adds Date where it is missing (RFC 9110 6.6.1)."""

    __slots__ = ("has_date",)

    has_date: bool


def parse_request_fields(block: bytes) -> RequestFields:
    """The fields of a request from the bytes between its request line and its empty line.

    `block` ends with the last field's CRLF and does not contain the empty line; it may be b"".
    Raises BadRequest: 400 malformed, 417 for an unknown Expect, 501 for an unknown coding.
    """
    fields = RequestFields()
    found = _take(fields, block, _find_request_fields, BadRequest)
    get = found.get
    fields.host = host = get(b"host")
    if host is not None and is_authority(host) is None:
        raise BadRequest(not_a_host(text_of(host)))
    fields.expect_continue = fields.accepts_trailers = False
    fields.forwarded_more = b""
    if found.keys() <= _ORDINARY:
        fields.forwarded_for = fields.forwarded_proto = fields.forwarded_host = None
        fields.forwarded = fields.via = None
        return fields
    if (expect := get(b"expect")) is not None:
        if expect.lower() != _MET:
            raise BadRequest(not_met(text_of(expect)), 417)
        fields.expect_continue = True
    if (te := get(b"te")) is not None:
        fields.accepts_trailers = b"trailers" in _split_list(te.lower())
    fields.forwarded_for = get(b"x-forwarded-for")
    fields.forwarded_proto = get(b"x-forwarded-proto")
    fields.forwarded_host = get(b"x-forwarded-host")
    if any(name.startswith(_CLAIMS_PREFIX) and name not in _CLAIMS for name in found):
        fields.forwarded_more = _more_claims(block)
    fields.forwarded = get(b"forwarded")
    fields.via = get(b"via")
    return fields


def parse_response_fields(block: bytes) -> ResponseFields:
    """The fields of a response, as `parse_request_fields` does it. Raises BadResponse."""
    fields = ResponseFields()
    found = _take(fields, block, _find_response_fields, BadResponse)
    fields.has_date = b"date" in found
    return fields


def check_block(block: bytes, error: type[BadMessage]) -> None:
    """Raise `error` unless `block` is a sequence of field lines, each with its CRLF."""
    if _is_block(block) is None:
        raise error(_explain(block))


def split_fields(block: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """(name, value) of each field of a valid block, values without outer whitespace."""
    return tuple((m[1], m[2].rstrip(b" \t")) for m in _find_fields(block))


def drop_fields(block: bytes, names: Container[bytes]) -> bytes:
    """A valid block without the fields called `names` (in lower case), the rest untouched."""
    return b"".join([m[0] for m in _find_fields(block) if m[1].lower() not in names])


def may_be_dropped(option: bytes) -> bool:
    """Whether a field of this name (in lower case) goes if Connection lists it."""
    return (
        option not in _STOP_HERE
        and option != b"close"
        and option not in _NEVER_BY_CONNECTION
        and not option.startswith(_CLAIMS_PREFIX)
    )


def quote(value: bytes) -> str:
    """`value` for an error text: visible, and cut where it is long."""
    return quote_text(text_of(value))


def _take(
    fields: Fields,
    block: bytes,
    find: Callable[[bytes], Iterator[re.Match[bytes]]],
    error: type[BadMessage],
) -> dict[bytes, bytes]:
    """Fill in what requests and responses have in common; returns the fields `find` picked out."""
    if _is_block(block) is None:
        raise error(_explain(block))
    found: dict[bytes, bytes] = {}
    kept: list[bytes] | None = None
    kept_to = 0
    for match in find((b"\n" + block).lower()):
        name = match[1]
        is_alias = b"_" in name
        if not is_alias:
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
            if kept is None:
                kept = []
            kept.append(block[kept_to:start])
            kept_to = end
    if kept is None:
        forwardable = block
    else:
        kept.append(block[kept_to:])
        forwardable = b"".join(kept)

    fields.connection = options = _NO_OPTIONS
    if (connection := found.get(b"connection")) is not None:
        connection = connection.lower()
        common = _COMMON_OPTIONS.get(connection)
        if common is not None:
            fields.connection = options = common
        else:
            fields.connection = options = _options(connection, error)
            named = [option for option in options if may_be_dropped(option)]
            forwardable = drop_fields(forwardable, named)
    fields.upgrade = found.get(b"upgrade") if b"upgrade" in options else None

    length = found.get(b"content-length")
    coding = found.get(b"transfer-encoding")
    if coding is not None:
        _check_coding(coding.lower(), length, error)
        fields.length = CHUNKED
    elif length is None:
        fields.length = UNSTATED
    else:
        if _is_length(length) is None:
            raise error(f"Content-Length is {quote(length)}; it must be one decimal number")
        fields.length = int(length)

    fields.block = block
    fields.forwardable = forwardable
    fields._items = fields._index = fields._cuts = None
    return found


def _more_claims(block: bytes) -> bytes:
    """The lines of fields called X-Forwarded-... that have no attribute of their own."""
    return b"".join(
        match[0]
        for match in _find_fields(block)
        if (name := match[1].lower()).startswith(_CLAIMS_PREFIX) and name not in _CLAIMS
    )


def _split_list(value: bytes) -> list[bytes]:
    """The members of a comma-separated list; empty ones do not count (RFC 9110 5.6.1.2)."""
    return [member for part in value.split(b",") if (member := part.strip(b" \t"))]


def _options(connection: bytes, error: type[BadMessage]) -> frozenset[bytes]:
    options = frozenset(_split_list(connection))
    for option in options:
        if is_token(option) is None:
            raise error(f"Connection lists {quote(option)}, which cannot be a field's name")
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


def _explain(block: bytes) -> str:
    """What is wrong with the first field line that is not one."""
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
