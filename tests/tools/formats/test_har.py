"""What a browser's developer tools export."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7proxy.tools.formats import (
    BadLine,
    Traffic,
    Unreadable,
)
from tests.tools.formats.logs import (
    HAR,
    members,
    read,
    simulate,
)


def test_a_har_document_is_read_entry_by_entry_in_order_of_time() -> None:
    earlier = json.loads(json.dumps(HAR["log"]["entries"][0]))
    earlier["startedDateTime"] = "2023-11-14T22:13:19.000Z"
    earlier["request"] = {"method": "GET", "url": "http://example.com?x"}
    document = {"log": {"entries": [*HAR["log"]["entries"], earlier, {"no": "request"}]}}
    traffic = Traffic(json.dumps(document, indent=1).splitlines(keepends=True), as_logged=True)
    (_, began, first), (_, later, second) = traffic.requests()
    assert traffic.format == "har"
    assert (began, later) == (0.0, 1.25)
    assert first.target == "/?x"
    assert members(second) == {
        "client_ip": "browser",
        "method": "POST",
        "target": "/api/a?b=c",
        "headers": [("Host", "example.com:8443"), ("X-A", "1, 2")],
        "simulate": simulate(status=200, latency=0.04),
        "body": b"hello",
    }
    assert traffic.bad == 1


@pytest.mark.parametrize(("document", "why"), [
    ("{", "not JSON: "), ('{"log": []}', "it is no object with log.entries"),
    ('{"log": {"entries": 1}}', "log.entries must be an array"),
    ('{"backend_pools": {}}', 'it has no "log"'), ('{"log": {}}', 'it has no "entries"'),
    ("[]", "it is no object with log.entries"),
])  # fmt: skip
def test_what_is_no_har_document_is_refused(document: str, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        list(Traffic([document], "har").requests())
    assert str(caught.value).startswith(f"not a HAR document: {why}")


def test_what_a_har_entry_lacks_is_said() -> None:
    with pytest.raises(BadLine, match='it has no "url"'):
        read("har", '{"request": {}}')


@pytest.mark.parametrize("line", ["{", "[" * 100_000])
def test_a_har_entry_that_is_no_json_is_a_bad_line(line: str) -> None:
    with pytest.raises(BadLine, match="not an entry of a HAR document: not JSON"):
        read("har", line)


def test_a_har_entry_with_another_scheme_is_a_bad_line() -> None:
    with pytest.raises(BadLine, match="not an http URL"):
        read("har", json.dumps(
            {"startedDateTime": 1, "request": {"url": "data:text/plain,a", "method": "GET"}}
        ))  # fmt: skip


@pytest.mark.parametrize("header", [{"name": 1, "value": "a"}, {"name": "a"}, "a"])
def test_a_har_entry_with_a_broken_header_is_a_bad_line(header: Any) -> None:
    with pytest.raises(BadLine, match="not an entry of a HAR document"):
        read("har", json.dumps(
            {"startedDateTime": 1, "request": {"url": "http://e/", "method": "GET",
                                               "headers": [header]}}
        ))  # fmt: skip
