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
"""A character of a host's name other than the dot; a name has at least one."""
IP_LITERAL = r"\[[0-9A-Fa-f:.]+\]"

HOST = rf"(?:\.*+{HOST_START}{HOST_CHARACTER}*+|{IP_LITERAL})"

PORT = (
    r"(?:[0-9]{1,4}|[0-5][0-9]{4}"
    r"|6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5]))))"
)
"""0 to 65535, in no more than five digits."""

AUTHORITY = rf"{HOST}(?::{PORT}?)?"
"""`host`, `host:` or `host:port`."""
AUTHORITY_WITH_PORT = rf"{HOST}:{PORT}"

is_token = re.compile(f"{TOKEN_CHARACTER}++").fullmatch
find_control = re.compile(CONTROL).search

_LONGEST_KNOWN_HOST = 255
"""Characters of the longest authority that is remembered; no name in the DNS is longer."""


def host_in(authority: str) -> str | None:
    """Returns the host of an `AUTHORITY`, in lower case and without a final dot.

    An IPv6 address, which can be written in many ways, is in its shortest form (RFC 5952).
    Returns None where the text is no authority.
    """
    if len(authority) > _LONGEST_KNOWN_HOST:
        return _host_in(authority)
    return _known_host_in(authority)


def _host_in(authority: str) -> str | None:
    host = re.match(HOST, authority)
    if host is None:
        return None
    colon, port = authority[host.end() :][:1], authority[host.end() + 1 :]
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536
    if colon not in ("", ":") or (port and not is_port):
        return None
    if authority.startswith("["):
        return f"[{_shortest(host[0][1:-1])}]"
    return host[0].lower().removesuffix(".")


def _shortest(literal: str) -> str:
    """Returns an IPv6 address in its shortest form; a text that is none in lower case."""
    from ipaddress import IPv6Address

    try:
        address = IPv6Address(literal)
    except ValueError:
        return literal.lower()
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
