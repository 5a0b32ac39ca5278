"""Messages to lines: the one place where an envelope is written."""

from __future__ import annotations

from json import dumps
from json.encoder import encode_basestring_ascii

json_text = encode_basestring_ascii
"""A string as `json.dumps` writes it, which takes five times as long to find that it is one."""


def envelope_line(src: str, dest: str, at: object, body: str) -> str:
    """Returns the line for a message, with its newline; `body` is JSON text.

    `at` is a number of seconds, int or float, where time is virtual, else None.
    """
    time = "" if at is None else f'"at": {dumps(at)}, '
    return f'{{"src": {json_text(src)}, "dest": {json_text(dest)}, {time}"body": {body}}}\n'
