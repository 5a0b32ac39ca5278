r"""The escapes in logs: `\x22` and `\"` of nginx and Apache, `#22` of HAProxy.

An escape stands for an octet. In a target those beyond ASCII become percent-encoded, which is what
`serve` makes of them; elsewhere each is a character, as in the header fields that `serve` reads.
"""

from __future__ import annotations

import codecs
import json
import re

_BACKSLASH = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_HASH = re.compile("#([0-9A-Fa-f]{2})")
_OCTETS = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v"}


def unescaped(text: str) -> str:
    r"""Returns the text that was logged with escapes such as `\"` and `\x22`."""
    return _BACKSLASH.sub(_meant, text) if "\\" in text else text


def unescaped_target(text: str) -> str:
    """As `unescaped`, with octets beyond ASCII percent-encoded, as they are on the wire."""
    return _BACKSLASH.sub(_meant_in_target, text) if "\\" in text else text


def unhashed(text: str) -> str:
    """Returns the text that HAProxy logged with escapes such as `#22`."""
    return _HASH.sub(lambda escape: chr(int(escape[1], 16)), text) if "#" in text else text


def unhashed_target(text: str) -> str:
    """As `unhashed`, with octets beyond ASCII percent-encoded."""
    return _HASH.sub(_octet_in_target, text) if "#" in text else text


def repaired_json(line: str) -> str:
    r"""Returns the JSON that nginx meant where it wrote it without `escape=json`.

    `\x22` is no JSON. Such octets are UTF-8; those that are not become percent-encoded.
    """
    return _OCTETS.sub(_text_in_json, line)


def _text_in_json(escapes: re.Match[str]) -> str:
    octets = bytes.fromhex(escapes[0].replace("\\x", ""))
    return json.dumps(octets.decode("utf-8", PERCENT))[1:-1]


def _percent(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return percent_encoded(error.object[error.start : error.end]), error.end


PERCENT = "l7proxy-percent"
"""The name of an error handler: octets that can't be decoded become percent-encoded."""
codecs.register_error(PERCENT, _percent)


def percent_encoded(octets: bytes) -> str:
    """Returns each octet as `%C3`."""
    return "".join(f"%{octet:02X}" for octet in octets)


def _octet_in_target(escape: re.Match[str]) -> str:
    octet = int(escape[1], 16)
    return chr(octet) if octet < 0x80 else f"%{octet:02X}"


def _meant_in_target(escape: re.Match[str]) -> str:
    meant = _meant(escape)
    return meant if meant.isascii() or len(escape[1]) != 3 else f"%{ord(meant):02X}"


def _meant(escape: re.Match[str]) -> str:
    code = escape[1]
    if len(code) == 3:
        return chr(int(code[1:], 16))
    return _CONTROLS.get(code, code)
