"""nginx's and Apache's access logs: "combined", "common", and with the host in front.

    192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "http://e.org/" "curl/8"

Where a time in seconds comes last, as many people add `$request_time`, it is the duration.
"""

from __future__ import annotations

import re

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    as_served,
    field,
    headers_of,
    request_line,
)
from l7proxy.tools.formats.times import common_log_time

# A quoted text. Without escapes it ends at the first quote that has no backslash before it; to
# look for that takes two thirds of the time that looking at each character does.
_QUOTED = r'"([^"]*+(?<!\\)|[^"\\]*+(?:\\.[^"\\]*+)*+)"'
# The first line of a request: method and target where there is nothing odd in it, else its text.
_REQUEST = rf'(?:"([^ "\\]++) ([^ "\\]++) HTTP/[^ "\\]*+"|{_QUOTED})'
_LINE = re.compile(
    r'(?:([\w.-]++:\d++) )?(\S++) \S++ (?:\S++|"[^"]*+") \[([^\]]++)\] '
    rf"{_REQUEST} (\d{{3}}) (?:\d++|-)(?: {_QUOTED} {_QUOTED}(.*))?\s*"
).fullmatch
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_DURATION = re.compile(r'.*?[ "](\d+\.\d{3})"?\s*').fullmatch
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v"}


def reader(*, as_logged: bool = False) -> LogReader:
    """Returns a reader of such lines. It remembers the last time read, which many lines share."""
    last_text = ""
    last_time = 0.0

    def read(line: str) -> LoggedRequest:
        nonlocal last_text, last_time
        found = _LINE(line)
        if found is None:
            raise BadLine("not a line of a combined access log")
        host, client, time, method, target, odd, status, referer, agent, rest = found.groups()
        if time != last_text:
            last_time = common_log_time(time)
            last_text = time
        if odd is not None:
            method, target = request_line(odd)
            method, target = _unescaped(method), _unescaped_target(target)
        fields = []
        if host is not None:
            fields.append(field("Host", host))
        if referer is not None and referer != "-":
            fields.append(field("Referer", _unescaped(referer) if "\\" in referer else referer))
        if agent is not None and agent != "-":
            fields.append(field("User-Agent", _unescaped(agent) if "\\" in agent else agent))
        request = HttpRequest(method, target, headers_of(fields), client)
        if as_logged:
            duration = _DURATION(rest or "")
            request.simulate = as_served(int(status), float(duration[1]) if duration else None)
        return last_time, request

    return read


def _unescaped(text: str) -> str:
    r"""Returns the text that was logged with escapes such as `\"` and `\x22`."""
    return _ESCAPE.sub(_meant, text)


def _unescaped_target(text: str) -> str:
    """As `_unescaped`, with octets beyond ASCII percent-encoded, as they are on the wire."""
    return _ESCAPE.sub(_meant_in_target, text)


def _meant_in_target(escape: re.Match[str]) -> str:
    meant = _meant(escape)
    return meant if meant.isascii() or len(escape[1]) != 3 else f"%{ord(meant):02X}"


def _meant(escape: re.Match[str]) -> str:
    code = escape[1]
    if len(code) == 3:
        return chr(int(code[1:], 16))
    return _CONTROLS.get(code, code)
