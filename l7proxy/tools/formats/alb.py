"""The access logs of AWS's load balancers for HTTP: the application load balancer's, and ELB's.

    http 2018-07-02T22:23:00.186641Z app/lb/50dc6c495c0c9188 192.0.2.1:2817 10.0.0.1:80 0.000 0.001
    0.000 200 200 34 366 "GET http://example.com:80/ HTTP/1.1" "curl/8" - - arn:... "Root=1-..." "-"
    "-" 0 2018-07-02T22:22:48.364000Z "forward" ...

ELB's classic one has no type in front, and ends behind the protocol. The time in front is that of
the end; that of the beginning comes late in the line, and not in ELB's.
"""

from __future__ import annotations

import re

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats.escapes import unescaped, unescaped_target
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.har import split_url
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    NoRequest,
    as_served,
    client_of,
    headers_said,
    request_line,
    status_from,
    texts_of,
)
from l7proxy.tools.formats.times import any_time

_LINE = re.compile(
    r"(?:(?:https?|h2|grpcs|wss?) )?(\d{4}-\d\d-\d\dT\S++) \S++ (\S++) \S++ "
    r"-?[\d.]++ (-?\d++\.?\d*+) -?[\d.]++ (-|\d++) (-|\d++) -?\d++ -?\d++ "
    r'"((?>(?:[^"\\]|\\.)*))" "((?>(?:[^"\\]|\\.)*))"(.*)',
    re.DOTALL,
).fullmatch
_BEGAN = 7
"""The place of the time of the beginning behind the user agent."""


def _reader(details: Details) -> LogReader:
    """Returns a reader of such lines."""

    def read(line: str) -> LoggedRequest:
        found = _LINE(line)
        if found is None:
            raise BadLine("not a line of a load balancer of AWS")
        ended, client, waited, status, backend_status, asked, agent, rest = found.groups()
        method, url = request_line(asked)
        if "://" not in url or url.startswith("-"):
            raise NoRequest(f'"{asked}" is not a request line')
        target, host = split_url(unescaped_target(url))
        request = HttpRequest(
            method, target, headers_said(host, None, unescaped(agent)), client_of(client)
        )
        if details.as_logged:
            took = float(waited)
            known = status_from(backend_status) or status_from(status)
            request.simulate = as_served(known, took if took >= 0 else None)
        words = texts_of(rest)
        began = words[_BEGAN] if len(words) > _BEGAN else ended
        return any_time(began if began != "-" else ended), request

    return read


FORMAT = Format(
    "alb",
    what="the application load balancer of AWS, and ELB",
    sign="an ISO time (behind `http`, `https`, `h2`, ...), addresses, three times and a quoted URL",
    reader=_reader,
)
