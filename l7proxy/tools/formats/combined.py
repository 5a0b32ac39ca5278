"""nginx's and Apache's access logs: "combined", "common", and with the host in front.

    192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "http://e.org/" "curl/8"

Where a time in seconds comes last, as many people add `$request_time`, it is the duration.
"""

from __future__ import annotations

import re
from functools import lru_cache

from l7proxy.core.http.head import is_well_formed
from l7proxy.core.http.messages import NO_HEADERS, Headers, HttpRequest, WellFormedHeaders
from l7proxy.tools.formats.line import BadLine, LoggedRequest, LogReader, as_served, request_line
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
            method, target = request_line(_unescaped_request(odd))
        fields = []
        well_formed = True
        if host is not None:
            field, well_formed = _field("Host", host)
            fields.append(field)
        if referer is not None and referer != "-":
            field, is_good = _field("Referer", referer)
            fields.append(field)
            well_formed = well_formed and is_good
        if agent is not None and agent != "-":
            field, is_good = _field("User-Agent", agent)
            fields.append(field)
            well_formed = well_formed and is_good
        if not fields:
            headers: Headers = NO_HEADERS
        else:
            headers = WellFormedHeaders(fields) if well_formed else Headers(fields)
        request = HttpRequest(method, target, headers, client)
        if as_logged:
            duration = _DURATION(rest or "")
            request.simulate = as_served(int(status), float(duration[1]) if duration else None)
        return last_time, request

    return read


@lru_cache(4096)
def _field(name: str, text: str) -> tuple[tuple[str, str], bool]:
    """Returns the header field whose value was logged as `text`, and whether it is well formed.

    Remembers some: many clients send the same values.
    """
    value = _unescaped(text).strip(" \t")
    return (name, value), is_well_formed({name: value})


def _unescaped(text: str) -> str:
    r"""Returns the text that was logged with escapes such as `\"` and `\x22`."""
    return _ESCAPE.sub(_meant, text)


def _unescaped_request(text: str) -> str:
    """As `_unescaped`, with octets beyond ASCII percent-encoded, as they are on the wire."""
    return _ESCAPE.sub(_meant_in_request, text)


def _meant_in_request(escape: re.Match[str]) -> str:
    meant = _meant(escape)
    return meant if meant.isascii() or len(escape[1]) != 3 else f"%{ord(meant):02X}"


def _meant(escape: re.Match[str]) -> str:
    code = escape[1]
    if len(code) == 3:
        return chr(int(code[1:], 16))
    return _CONTROLS.get(code, code)
