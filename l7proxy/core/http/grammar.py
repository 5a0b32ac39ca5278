"""The grammar of HTTP's smallest pieces, written once (RFC 9110, 5; RFC 9112, 3; RFC 3986, 3.2).

Each constant is the source of a regular expression. It means the same for text and, encoded, for
bytes, where an octet beyond ASCII is one Latin-1 character. Character classes have no quantifier:
`http1` uses possessive ones, and a JSON Schema has none of those. Every match takes linear time,
because each repetition is possessive or followed by a character that it can't match.
"""

from __future__ import annotations

import re
from functools import lru_cache

TOKEN_CHARACTER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
"""A character of a method or of a field's name (RFC 9110, 5.6.2)."""

CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"
VALUE_CHARACTER = r"[^\x00-\x08\x0a-\x1f\x7f]"
"""A character of a field's value (RFC 9110, 5.5): any but `CONTROL`. The tab is allowed."""

TARGET_CHARACTER = r"[^\x00-\x20\x7f#]"
"""A character of a request's target. A fragment (`#`) is no part of it: readers differ on where it
would end."""

HOST_CHARACTER = r"[A-Za-z0-9._~-]"
"""A character of a host's name. This is narrower than RFC 3986's reg-name: servers read
sub-delimiters and percent-escapes in different ways, and no real host has them."""
HOST_START = r"[A-Za-z0-9_~-]"
"""A character of a host's name other than the dot; a name has at least one between two dots."""

_GROUP = r"[0-9A-Fa-f]{1,4}"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
IP_LITERAL = (
    rf"\[(?:(?:{_GROUP}:){{6}}(?:{_GROUP}:{_GROUP}|{_IPV4})"
    rf"|::(?:{_GROUP}(?::{_GROUP}){{0,6}}|(?:{_GROUP}:){{0,5}}{_IPV4})?"
    rf"|{_GROUP}(?::{_GROUP}){{0,6}}::"
    rf"|(?=(?:{_GROUP}:|:){{2,7}}{_GROUP}\]){_GROUP}(?::{_GROUP}){{0,5}}:(?::{_GROUP}){{1,6}}"
    rf"|(?=(?:{_GROUP}:|:){{2,6}}{_IPV4}\])(?:{_GROUP}:){{1,5}}:(?:{_GROUP}:){{0,4}}{_IPV4}"
    r")\]"
)
"""An IPv6 address in brackets (RFC 3986, 3.2.2). It has eight groups, or up to seven around a `::`;
an IPv4 address at the end is two of them, and the look-ahead counts colons in place of groups."""

_HOST_NAME = rf"\.?+{HOST_START}++(?>(?:\.{HOST_START}++)*)\.?+"
HOST = rf"(?:{_HOST_NAME}|{IP_LITERAL})"
"""No two dots follow each other, as nginx has it."""

PORT = (
    r"(?:[0-9]{1,4}|[0-5][0-9]{4}"
    r"|6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5]))))"
)
"""0 to 65535, in no more than five digits."""

AUTHORITY: str = rf"{HOST}(?::{PORT}?)?"
"""`host`, `host:` or `host:port`."""
AUTHORITY_WITH_PORT: str = rf"{HOST}:{PORT}"

_SIGNS = "!#$%&'*+.^_`|~"
"""The characters of a token that are no letter, digit or hyphen."""
_HYPHENS = str.maketrans(_SIGNS, "-" * len(_SIGNS))

is_token = re.compile(f"{TOKEN_CHARACTER}++").fullmatch
find_control = re.compile(CONTROL).search

_LONGEST_KNOWN_HOST = 255
"""Characters of the longest authority that is remembered; no name in the DNS is longer."""


def plain_name(name: str) -> str:
    """Returns a field's name in lower case, with a hyphen for every other sign.

    Names that are equal then are the same to backends that read fields as CGI variables (WSGI,
    Rack, PHP), where a hyphen is an underscore, and so, to some, is any other sign.
    """
    name = name.lower()
    # To look takes a quarter of translating.
    return name if name.replace("-", "").isalnum() else name.translate(_HYPHENS)


def is_port(text: str) -> bool:
    """Whether the text is the number of a port, 0 to 65535, in no more than five digits."""
    # Python refuses to convert numbers of very many digits.
    return len(text) <= 5 and text.isascii() and text.isdigit() and int(text) < 65536


def host_in(authority: str) -> str | None:
    """Returns the host of an `AUTHORITY`, in lower case and without a final dot.

    An IPv6 address, which can be written in many ways, is in its shortest form (RFC 5952).
    Returns None where the text is no authority.
    """
    if len(authority) > _LONGEST_KNOWN_HOST:
        return _host_in(authority)
    return _known_host_in(authority)


def _host_in(authority: str) -> str | None:
    is_literal = authority.startswith("[")
    host = re.match(IP_LITERAL if is_literal else _HOST_NAME, authority)
    if host is None:
        return None
    colon, port = authority[host.end() :][:1], authority[host.end() + 1 :]
    if colon not in ("", ":") or (port and not is_port(port)):
        return None
    if is_literal:
        return f"[{_shortest(host[0][1:-1])}]"
    return host[0].lower().removesuffix(".")


def _shortest(literal: str) -> str:
    """Returns an IPv6 address in its shortest form."""
    from ipaddress import IPv6Address

    address = IPv6Address(literal)
    mapped = address.ipv4_mapped
    # Python writes these in one way before 3.13, and in another from then on.
    return str(address) if mapped is None else f"::ffff:{mapped}"


_known_host_in = lru_cache(1024)(_host_in)

SHOWN_AT_MOST = 60
"""Characters of a client's text that an error text repeats at most."""


def visible(text: str) -> str:
    """Returns the text on one line, with every character visible, and cut where it is long.

    Characters that can't be shown are escaped as in a Python string.
    """
    shown = text[:SHOWN_AT_MOST]
    if not shown.isprintable():
        shown = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode()
            for letter in shown
        )
    return shown if len(text) <= SHOWN_AT_MOST else f"{shown}..."


def quote(text: str) -> str:
    """Returns the `visible` text in double quotes."""
    return f'"{visible(text)}"'
