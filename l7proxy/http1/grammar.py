"""The grammar's smallest pieces, as regular-expression source for bytes (RFC 9110 5, RFC 9112 2).

Tokens, values, targets and hosts are those of `core.http.grammar`. Quantifiers are possessive
wherever they can be: no input makes a match take more than linear time.
"""

from __future__ import annotations

import re

from l7proxy.core.http import grammar


def _octets(character: str) -> bytes:
    """The class of octets that a class of characters is, in the one form that is quickest.

    A class that says what it is not takes a third longer to match.
    """
    is_one = re.compile(character.encode()).fullmatch
    octets = [octet for octet in range(256) if is_one(b"%c" % octet)]
    first = [octet for octet in octets if octet - 1 not in octets]
    last = [octet for octet in octets if octet + 1 not in octets]
    ranges = (b"\\x%02x-\\x%02x" % span for span in zip(first, last, strict=True))
    return b"[" + b"".join(ranges) + b"]"


TOKEN = _octets(grammar.TOKEN_CHARACTER) + b"++"
TEXT = _octets(grammar.VALUE_CHARACTER) + b"*+"
TARGET = _octets(grammar.TARGET_CHARACTER) + b"++"
AUTHORITY = grammar.AUTHORITY.encode()
OWS = rb"[ \t]*+"
QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'

is_token = re.compile(TOKEN).fullmatch
is_text = re.compile(TEXT).fullmatch
is_authority = re.compile(AUTHORITY).fullmatch
is_authority_with_port = re.compile(grammar.AUTHORITY_WITH_PORT.encode()).fullmatch

# Bytes that no head may contain anywhere. They are looked for while a head is still incomplete,
# for its end, CRLF CRLF, may never come: a head with bare LFs has none.
# The match ends with the first byte that proves the fault, so faults can be put in the order
# in which a byte-by-byte reader would meet them.
find_forbidden = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]|(?<!\r)\n").search


_PLAIN = bytes(ord(grammar.plain_name(chr(octet))) for octet in range(128)) + bytes(128)


def plain_name(name: bytes) -> bytes:
    """Returns a field's name as `core.http.grammar.plain_name` does it."""
    return name.translate(_PLAIN)


def describe_forbidden(match: re.Match[bytes], start: int) -> str:
    """A sentence about what `find_forbidden` found in a head that begins at `start`."""
    byte = match[0][0]
    offset = match.start() - start
    if byte == 0x0D:
        return f"a CR without LF at byte {offset} of the head; lines end in CRLF"
    if byte == 0x0A:
        return f"an LF without CR at byte {offset} of the head; lines end in CRLF"
    return f"the control byte 0x{byte:02x} at byte {offset} of the head; send text only"


def escape_octets(octets: bytes) -> bytes:
    """Returns the octets of a target with those beyond ASCII percent-encoded, each as it is."""
    return b"".join([b"%c" % octet if octet < 0x80 else b"%%%02X" % octet for octet in octets])


def text_of(octets: bytes) -> str:
    """Returns octets for an error text: read as UTF-8, and as `\\xff` where they are not."""
    return octets.decode("utf-8", "backslashreplace")
