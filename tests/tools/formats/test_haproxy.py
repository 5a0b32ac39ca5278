"""HAProxy's HTTP log."""

from __future__ import annotations

import pytest

from l7proxy.tools.formats import (
    BadLine,
)
from tests.tools.formats.logs import (
    HAPROXY,
    members,
    only,
    read,
    simulate,
)


def test_haproxy_lines_have_captured_headers_by_the_names_that_they_are_given() -> None:
    at, request = only([HAPROXY], captures=("Host", "User-Agent"), as_logged=True)
    assert at == 0.0
    assert members(request) == {
        "client_ip": "10.0.1.2",
        "method": "GET",
        "target": "/index.html",
        "headers": [("Host", "1wt.eu"), ("User-Agent", "curl")],
        "simulate": simulate(status=200, latency=0.069),
    }
    assert read("haproxy", HAPROXY)[0] == 1233922454.655


def test_a_request_that_haproxy_could_not_parse_is_a_bad_line() -> None:
    line = HAPROXY.replace('"GET /index.html HTTP/1.1"', '"<BADREQ>"').replace("/69/", "/-1/")
    with pytest.raises(BadLine, match="not a request line"):
        read("haproxy", line, as_logged=True)
    aborted = HAPROXY.replace("/69/", "/-1/").replace(" 200 ", " -1 ")
    assert only([aborted], as_logged=True)[1].simulate is None
