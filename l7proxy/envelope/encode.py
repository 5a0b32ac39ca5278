"""Messages to lines: the one place where an envelope is written."""

from __future__ import annotations

from json import dumps
from json.encoder import encode_basestring_ascii

json_text = encode_basestring_ascii
"""A string as `json.dumps` writes it, which takes five times as long to find that it is one."""


def envelope_line(src: str, dest: str, at: float | None, body: str) -> str:
    """The line for a message, with its newline; `body` is JSON text.

    `at` (seconds) is there only where time is virtual.
    """
    time = "" if at is None else f'"at": {dumps(at)}, '
    return f'{{"src": {json_text(src)}, "dest": {json_text(dest)}, {time}"body": {body}}}\n'
