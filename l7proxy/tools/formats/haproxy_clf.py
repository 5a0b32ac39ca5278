"""HAProxy's HTTP log as it is with `option httplog clf`: the common format, and much behind it.

    10.0.1.2 - - [06/Feb/2009:12:14:14 +0000] "GET /index.html HTTP/1.1" 200 2750 "" "" 33317 655
    "http-in" "static" "srv1" 10 0 30 69 109 ---- 1 1 1 1 0 0 0 "" "" "example.com" "curl"

Behind two empty texts are the client's port, the milliseconds of the time, three names, five times,
how it ended, seven numbers, two cookies, and what was captured of requests and of responses.
"""

from __future__ import annotations

import re

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.haproxy import captured_headers, request_from
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    as_served,
    milliseconds,
    texts_of,
)
from l7proxy.tools.formats.times import any_time

_LINE = re.compile(
    r'(\S++) - - \[([^\]]++)\] "([^"]*+)" (-?\d{1,3}) \d++ "" "" \d++ (\d{3}) (".*)', re.DOTALL
).fullmatch
_TIME_TO_ANSWER = 6
_CAPTURED = 18
"""The places of these among the words behind the milliseconds."""


def _reader(details: Details) -> LogReader:
    """Returns a reader of such lines."""

    def read(line: str) -> LoggedRequest:
        found = _LINE(line)
        if found is None:
            raise BadLine("not a line of HAProxy's CLF log")
        client, time, asked, status, late, rest = found.groups()
        method, target = request_from(asked)
        request = HttpRequest(method, target, client_ip=client)
        words = texts_of(rest)
        if details.captures:
            request.headers = captured_headers(details.captures, words[_CAPTURED:])
        if details.as_logged:
            took = milliseconds("".join(words[_TIME_TO_ANSWER : _TIME_TO_ANSWER + 1]))
            request.simulate = as_served(int(status), took)
        return any_time(time) + int(late) / 1000, request

    return read


FORMAT = Format(
    "haproxy-clf",
    what="HAProxy with `option httplog clf`",
    sign='the common format, and behind it `"" ""`, a port and three digits',
    reader=_reader,
    takes=("captures",),
)
