"""The access log of the proxy itself."""

from __future__ import annotations

import json

import pytest

from l7proxy.tools.formats import (
    BadLine,
    Traffic,
    access,
)


def access_line(time: object, seconds: object = 0.5, **more: object) -> str:
    """A line of our own access log."""
    body = {"type": "http_request", "msg_id": 1, "path": "/api/a", "status": 503, "bytes": 0}
    body |= {"seconds": seconds, "time": time, **more}
    return json.dumps({"src": "c", "dest": "l7_proxy", "at": 0.25, "body": body})


def test_our_own_access_log_is_read_by_when_requests_began_whoever_wrote_it_first() -> None:
    # One that took long, one of another process that began to count later, one after a restart.
    lines = [access_line(1700000009.0, 9), access_line(1700000001.5), access_line(1700000100)]
    traffic = Traffic(lines, as_logged=True)
    played = [(number, e["at"], e["body"]["simulate"]) for number, e in traffic.envelopes()]
    assert traffic.format == "access"
    assert played == [
        (1, 0.0, {"status": 503, "latency": 9}),
        (2, 1.0, {"status": 503, "latency": 0.5}),
        (3, 99.5, {"status": 503, "latency": 0.5}),
    ]
    ((_, envelope),) = Traffic(lines[:1]).envelopes()
    assert "simulate" not in envelope["body"]


@pytest.mark.parametrize(("line", "why"), [
    (access_line("nan"), "is not a time"),
    (access_line(1700000000, "1"), "how long"),
    (access_line(1700000000, -1), "how long"),
    (access_line(1700000000, float("nan")), "how long"),
    ('{"src": "c", "body": {"path": "/"}}', "not a line of an access log"),
])  # fmt: skip
def test_what_is_wrong_with_a_line_of_our_own_access_log_is_said(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        access.reader()(line)
