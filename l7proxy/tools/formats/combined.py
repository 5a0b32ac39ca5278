"""nginx's and Apache's access logs: "combined", "common", and with the host in front.

    192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "http://e.org/" "curl/8"

Where a time in seconds comes last, as many people add `$request_time`, it is the duration.
"""

from __future__ import annotations

import re

from l7proxy.tools.formats.line import BadLine, Logged, envelope, request_line
from l7proxy.tools.formats.times import common_log_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.tools.formats.line import Envelope, Reader

_LINE = re.compile(
    r'(?:([\w.-]+:\d+) )?(\S+) \S+ (?:\S+|"[^"]*") \[([^\]]+)\] '
    r'"([^"\\]*(?:\\.[^"\\]*)*)" (\d{3}) (?:\d+|-)'
    r'(?: "([^"\\]*(?:\\.[^"\\]*)*)" "([^"\\]*(?:\\.[^"\\]*)*)"(.*))?\s*'
).fullmatch
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_DURATION = re.compile(r'.*?[ "](\d+\.\d{3})"?\s*').fullmatch
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v"}


def reader(*, as_logged: bool = False) -> Reader:
    """A reader of such lines. Remembers the last time it read: many lines share one."""
    last_text = ""
    last_time = 0.0

    def read(line: str) -> Envelope:
        nonlocal last_text, last_time
        found = _LINE(line)
        if found is None:
            raise BadLine("not a line of a combined access log")
        host, client, time, request, status, referer, agent, rest = found.groups()
        if time != last_text:
            last_time = common_log_time(time)
            last_text = time
        method, target = request_line(_unescaped_request(request))
        headers = {}
        if host is not None:
            headers["Host"] = host
        if referer is not None and referer != "-":
            headers["Referer"] = unescaped(referer)
        if agent is not None and agent != "-":
            headers["User-Agent"] = unescaped(agent)
        logged = None
        if as_logged:
            duration = _DURATION(rest or "")
            logged = Logged(int(status), float(duration[1]) if duration else None)
        return envelope(last_time, client, method, target, headers, logged)

    return read


def unescaped(text: str) -> str:
    r"""The text that was logged with escapes such as `\"` and `\x22`."""
    return _ESCAPE.sub(_meant, text) if "\\" in text else text


def _unescaped_request(text: str) -> str:
    """The same for a request line, whose octets beyond ASCII are percent-encoded as on the wire."""
    return _ESCAPE.sub(_meant_in_request, text) if "\\" in text else text


def _meant_in_request(escape: re.Match[str]) -> str:
    meant = _meant(escape)
    return meant if meant.isascii() or len(escape[1]) != 3 else f"%{ord(meant):02X}"


def _meant(escape: re.Match[str]) -> str:
    code = escape[1]
    if len(code) == 3:
        return chr(int(code[1:], 16))
    return _PLAIN.get(code, code)
