"""HAProxy's HTTP log (`option httplog`), with or without a syslog header before it.

    10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ----
    1/1/1/1/0 0/0 {example.com|curl} {} "GET /index.html HTTP/1.1"

The time is that of the accepted connection. Request headers are in the log only where HAProxy was
told to capture them, and without their names, which `captures` therefore has to give.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    as_served,
    headers_from,
    request_line,
)
from l7proxy.tools.formats.times import minute_began

# The first line of a request: method and target where there is nothing odd in it, else its text.
_REQUEST = r'"(?:([^ "]++) ([^ "]++) HTTP/[^ "]*+|(.*))"(?=[^"]*\Z)'
# What is looked around for spares all words but the client's a closer look.
_LINE = re.compile(
    r"(?<!\S)(?=\S++ \[)(\S+):\d++ \[(\d\d/\w{3}/\d{4}:\d\d:\d\d):(\d\d\.\d++)\] "
    r"\S++ [^\s/]++/\S++ "
    r"-?\d++/-?\d++/-?\d++/(-?\d++)/\+?-?\d++ (-?\d++) \+?\d++ \S++ \S++ \S++ \S++ \S++ "
    r"(?:\{([^}]*+)\} )?(?:\{[^}]*+\} )?" + _REQUEST
).search


def reader(*, captures: Sequence[str] = (), as_logged: bool = False) -> LogReader:
    """Returns a reader of such lines; `captures` names the captured request headers, in order."""

    def read(line: str) -> LoggedRequest:
        found = _LINE(line)
        if found is None:
            raise BadLine("not a line of HAProxy's HTTP log")
        (client, minute, second, milliseconds, status,
         captured, method, target, odd) = found.groups()  # fmt: skip
        if odd is not None:
            method, target = request_line(odd)
        request = HttpRequest(method, target, client_ip=client)
        if captured and captures:
            pairs = zip(captures, captured.split("|"), strict=False)
            request.headers = headers_from({name: value for name, value in pairs if value})
        if as_logged:
            request.simulate = as_served(int(status), int(milliseconds) / 1000)
        return minute_began(minute) + float(second), request

    return read
