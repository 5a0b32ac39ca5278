"""HAProxy's HTTP log (`option httplog`), with or without a syslog header before it.

    10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ----
    1/1/1/1/0 0/0 {example.com|curl} {} "GET /index.html HTTP/1.1"

The time is that of the accepted connection. Request headers are in the log only where HAProxy was
told to capture them, and without their names, which `captures` therefore has to give. HAProxy cuts
requests and lines that are too long for it, so that a version, or a quote, may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from l7proxy.core.http.messages import NO_HEADERS, Headers, HttpRequest
from l7proxy.tools.formats.escapes import unhashed, unhashed_target
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    NoRequest,
    as_served,
    headers_from,
    request_line,
)
from l7proxy.tools.formats.times import minute_began

# The first line of a request: method and target where there is nothing odd in it, else its text.
_REQUEST = r'"(?:([^ "#]++) ([^ "#]++) HTTP/[^ "]*+"|([^"]*+))'
# What is looked ahead for spares most words before the client a closer look; they are in an atomic
# group, for nothing else can be the client.
_LINE = re.compile(
    r"(?>\s*+(?:(?!(?=\S++ \[)\S+:\d++ \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d++\] )\S++\s++)*)"
    r"(\S+):\d++ \[(\d\d/\w{3}/\d{4}:\d\d:\d\d):(\d\d\.\d++)\] "
    r"\S++ [^\s/]++/\S++ "
    r"-?\d++/-?\d++/-?\d++/(-?\d{1,15})/\+?-?\d++ (-?\d{1,3}) \+?\d++ \S++ \S++ \S++ \S++ \S++ "
    r"(?:\{([^}]*+)\} )?(?:\{[^}]*+\} )?" + _REQUEST
).match
_CUT = re.compile(r"[!#$%&'*+.^_`|~\w-]++ (?:/|https?://)\S*+").fullmatch


def _reader(details: Details) -> LogReader:
    """Returns a reader of such lines."""

    def read(line: str) -> LoggedRequest:
        found = _LINE(line)
        if found is None:
            raise BadLine("not a line of HAProxy's HTTP log")
        (client, minute, second, milliseconds, status,
         captured, method, target, odd) = found.groups()  # fmt: skip
        if odd is not None:
            method, target = request_from(odd.rstrip())
        request = HttpRequest(method, target, client_ip=client.strip("[]"))
        if captured and details.captures:
            request.headers = captured_headers(details.captures, captured.split("|"))
        if details.as_logged:
            request.simulate = as_served(int(status), int(milliseconds) / 1000)
        return minute_began(minute) + float(second), request

    return read


def request_from(text: str) -> tuple[str, str]:
    """Returns method and target of a request as HAProxy logs it, which may be cut.

    Raises `NoRequest`.
    """
    try:
        method, target = request_line(text)
    except NoRequest:
        if _CUT(text) is None:
            raise
        method, _, target = text.partition(" ")
    return unhashed(method), unhashed_target(target)


def captured_headers(names: Sequence[str], values: Iterable[str]) -> Headers:
    """Returns the captured headers, given their names; those without a value are not there."""
    pairs = zip(names, map(unhashed, values), strict=False)
    captured: dict[str, str | list[str]] = {name: value for name, value in pairs if value}
    return headers_from(captured) if captured else NO_HEADERS


FORMAT = Format(
    "haproxy",
    what="HAProxy with `option httplog`",
    sign="a client with its port, a time in brackets, a frontend, `backend/server` and five times",
    reader=_reader,
    takes=("captures",),
)
