"""HAProxy's HTTP log (`option httplog`), with or without a syslog header before it.

    10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ----
    1/1/1/1/0 0/0 {example.com|curl} {} "GET /index.html HTTP/1.1"

The time is that of the accepted connection; request headers are in the log only where HAProxy was
told to capture them, and named only by whoever configured that: `captures`.
"""

from __future__ import annotations

import re

from l7proxy.tools.formats.line import BadLine, Logged, envelope, request_line
from l7proxy.tools.formats.times import common_log_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.tools.formats.line import Envelope, Reader

_LINE = re.compile(
    r"(\S+):\d+ \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d+)\] \S+ [^\s/]+/\S+ "
    r"-?\d+/-?\d+/-?\d+/(-?\d+)/\+?-?\d+ (-?\d+) \+?\d+ \S+ \S+ \S+ \S+ \S+ "
    r'(?:\{([^}]*)\} )?(?:\{[^}]*\} )?"(.*)"'
).search


def reader(*, captures: Sequence[str] = (), as_logged: bool = False) -> Reader:
    """A reader of such lines; `captures` names the captured request headers, in order."""

    def read(line: str) -> Envelope:
        found = _LINE(line)
        if found is None:
            raise BadLine("not a line of HAProxy's HTTP log")
        client, time, milliseconds, status, captured, request = found.groups()
        method, target = request_line(request)
        values = (captured or "").split("|")
        headers = {name: value for name, value in zip(captures, values, strict=False) if value}
        logged = None
        if as_logged:
            took = int(milliseconds)
            logged = Logged(int(status), took / 1000 if took >= 0 else None)
        return envelope(common_log_time(time), client, method, target, headers, logged)

    return read
