"""Texts that end up in an HTTP message: names, values and paths.

A text that could not be sent is refused when it is loaded, not when a request comes.
"""

from __future__ import annotations

from l7proxy.core.config.spec import Either, ListOf, MapOf, Text
from l7proxy.core.http.grammar import TOKEN_CHARACTER

TOKEN = f"{TOKEN_CHARACTER}+"
"""The name of a header or cookie (RFC 9110, 5.6.2)."""

END = r"$(?!\n)"
"""The end of a text, which Python's `$` alone is also before a last newline."""

HEADER_NAME = Text(pattern=f"^{TOKEN}{END}", meaning="a header's name")
HEADER_VALUE = Text(
    pattern=rf"^[\t -~\x80-\xff]*{END}",
    meaning="a header's value, on one line and in Latin-1",
)
FRAMING = frozenset(("connection", "content-length", "transfer-encoding", "upgrade", "te"))
"""Headers by which a message is cut from its connection: no configuration has a say in them."""

HEADER_LINES = MapOf(Either(HEADER_VALUE, ListOf(HEADER_VALUE)), keys=HEADER_NAME)

PATH = Text(
    pattern=rf"^/[^\x00-\x20\x7f?#]*{END}", meaning="a path, from /, without spaces, ? and #"
)
"""A path to match or to put in place of another: brought into normal form before it is used."""

TARGET = Text(
    pattern=rf"^/[!\x22$-~]*{END}",
    meaning="a path, from /, and perhaps a ?query; percent-encode spaces and what is not ASCII",
)
"""A request target in origin-form, sent as it is written (RFC 9112, 3.2.1)."""
