"""Envoy's access log in its default text, and Istio's, which has some words more.

    [2016-04-15T20:17:00.310Z] "POST /api/v1/a HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "curl/8"
    "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "example.com" "10.0.2.1:80"

Behind the request are the status and flags, in Istio three texts about the end, the bytes in both
directions, the milliseconds in all and of the backend, and then five texts: X-Forwarded-For, the
user agent, the request's id, the host and the backend. Istio goes on with the cluster and three
addresses, the last of which is the client's.
"""

from __future__ import annotations

import re

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    NoRequest,
    as_served,
    client_of,
    headers_said,
    milliseconds,
    request_line,
    texts_of,
)
from l7proxy.tools.formats.times import any_time

_LINE = re.compile(r'\[(\d{4}-\d\d-\d\dT[^\]]++)\] "([^"]*+)" (\d{1,3}) (.*)', re.DOTALL).fullmatch
_TOOK, _BACKEND_TOOK, _FORWARDED_FOR, _AGENT, _HOST, _CLIENT = 2, 3, 4, 5, 7, 12
"""The places of these, counted from the bytes received."""


def _reader(details: Details) -> LogReader:
    """Returns a reader of such lines."""

    def read(line: str) -> LoggedRequest:
        found = _LINE(line)
        if found is None:
            raise _bad()
        time, asked, status, rest = found.groups()
        words = _from_bytes(texts_of(rest))
        method, target = request_line(asked)
        if target == "-":
            raise NoRequest(f'"{asked}" has no path')
        client = words[_FORWARDED_FOR]
        if client == "-" and len(words) > _CLIENT:
            client = words[_CLIENT]
        request = HttpRequest(
            method, target, headers_said(words[_HOST], None, words[_AGENT]), client_of(client)
        )
        if details.as_logged:
            took = milliseconds(words[_BACKEND_TOOK])
            if took is None:
                took = milliseconds(words[_TOOK])
            request.simulate = as_served(int(status), took)
        return any_time(time), request

    return read


def _from_bytes(words: list[str]) -> list[str]:
    """Returns the words from the three numbers on; raises `BadLine` where they are not there."""
    for place in range(len(words) - _HOST):
        if all(word.isdecimal() and word.isascii() for word in words[place : place + 3]):
            return words[place:]
    raise _bad()


def _bad() -> BadLine:
    return BadLine("not a line of Envoy's default log")


FORMAT = Format(
    "envoy",
    what="Envoy and Istio, as text",
    sign="a line that begins with an ISO time in brackets, a quoted request and a status",
    reader=_reader,
)
