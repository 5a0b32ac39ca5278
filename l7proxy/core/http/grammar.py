"""The grammar of HTTP's smallest pieces, written once (RFC 9110, 5; RFC 9112, 3; RFC 3986, 3.2).

The sources mean the same in a pattern for text and, encoded, in one for bytes; an octet beyond
ASCII is one Latin-1 character. Classes of characters have no quantifier, for `http1` and a JSON
Schema write theirs differently. Every match takes linear time: what repeats is possessive, or
followed by what it can't match itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

TOKEN_CHARACTER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
"""Of a method or a field's name."""

CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"
VALUE_CHARACTER = r"[^\x00-\x08\x0a-\x1f\x7f]"
"""Of a field's value: everything but `CONTROL`, which leaves the tab."""

TARGET_CHARACTER = r"[^\x00-\x20\x7f#]"
"""Of a request's target. A fragment (`#`) is no part of it: readers differ on where it ends."""

HOST_CHARACTER = r"[A-Za-z0-9._~-]"
"""Of a host's name. Narrower than RFC 3986's reg-name: sub-delimiters and percent-escapes are read
differently from server to server, and no real host has them."""
HOST_START = r"[A-Za-z0-9_~-]"
"""The first character of a host's name that is no dot: a dot alone is no name."""
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
"""Longer than any name there is: what is longer than that is not remembered."""


def host_in(authority: str) -> str | None:
    """The host in `host`, `host:` or `host:port`, in lower case and without a final dot.

    None where it is no authority.
    """
    if len(authority) > _LONGEST_KNOWN_HOST:
        return _host_in(authority)
    return _known_host_in(authority)


def _host_in(authority: str) -> str | None:
    if re.fullmatch(AUTHORITY, authority) is None:
        return None
    host = re.match(HOST, authority)
    assert host is not None
    return host[0].lower().removesuffix(".")


_known_host_in = lru_cache(1024)(_host_in)

SHOWN_AT_MOST = 60
"""How many characters of what a client sent are shown to it."""


def visible(text: str) -> str:
    """The text as people are shown it: on one line, every character visible, cut where it is long.

    What can't be shown is written as in a Python string.
    """
    shown = text[:SHOWN_AT_MOST]
    if not shown.isprintable():
        shown = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode()
            for letter in shown
        )
    return shown if len(text) <= SHOWN_AT_MOST else f"{shown}..."


def quote(text: str) -> str:
    """The same in quotes."""
    return f'"{visible(text)}"'
