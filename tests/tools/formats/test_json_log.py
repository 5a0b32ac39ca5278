"""JSON access logs of several proxies, and of one's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7proxy.tools.formats import (
    BadLine,
    Traffic,
    UnknownFormat,
)
from l7proxy.tools.formats.detection import recognise
from tests.tools.formats.logs import (
    CADDY,
    ENVOY,
    NGINX,
    TRAEFIK,
    members,
    read,
    simulate,
)


def test_as_logged_leaves_out_what_no_backend_could_do() -> None:
    log = {**NGINX, "upstream_response_time": 1e9, "status": 99}
    assert read("nginx-json", json.dumps(log), as_logged=True)[1].simulate is None


@pytest.mark.parametrize(("log", "name", "client", "served"), [
    (NGINX, "nginx-json", "192.0.2.1", (201, 0.02)),
    (ENVOY, "envoy-json", "192.0.2.1", (503, 0.04)),
    (CADDY, "caddy", "2001:db8::1", (200, 0.04)),
    (TRAEFIK, "traefik", "192.0.2.1", (200, 0.04)),
])  # fmt: skip
def test_json_logs_are_recognised_and_read(
    log: dict[str, Any], name: str, client: str, served: tuple[int, float]
) -> None:
    line = json.dumps(log)
    assert recognise([line]).format.name == name
    at, request = read(name, line, as_logged=True)
    assert request.client_ip == client
    assert at == 1700000000.25
    assert request.target.startswith("/api/a")
    assert request.headers.get("host") == "example.com"
    assert request.simulate is not None
    assert (request.simulate.status, request.simulate.latency) == pytest.approx(served)


def test_caddy_s_headers_are_taken_over() -> None:
    _, request = read("caddy", json.dumps(CADDY))
    assert list(request.headers) == [
        ("User-Agent", "curl/8"),
        ("X-A", "1"),
        ("X-A", "2"),
        ("Host", "example.com"),
    ]


def test_fields_of_a_json_log_can_be_named() -> None:
    line = json.dumps({"t": 1700000000250, "r": {"line": "PUT /a HTTP/2"}, "took": 7, "q": ""})
    with pytest.raises(UnknownFormat, match="--map"):
        recognise([line])
    mapping = ("time=t", "request=x,r.line", "duration=took:ms", "query=q")
    at, request = read("json", line, mapping=mapping, as_logged=True)
    assert at == 1700000000.25
    assert members(request) == {
        "client_ip": "-",
        "method": "PUT",
        "target": "/a",
        "simulate": simulate(latency=0.007),
    }


@pytest.mark.parametrize(("mapping", "latency"), [
    ("duration=took", 7.0), ("duration=took:s", 7.0), ("duration=none,took:us", 0.000007),
])  # fmt: skip
def test_a_duration_is_in_seconds_unless_a_unit_is_said(mapping: str, latency: float) -> None:
    line = '{"t": 1, "p": "/", "took": 7}'
    mappings = ("time=t", "path=p", mapping)
    _, request = read("json", line, mapping=mappings, as_logged=True)
    assert request.simulate is not None
    assert request.simulate.latency == pytest.approx(latency)


def test_a_query_in_a_field_of_its_own_is_put_behind_the_path() -> None:
    mapping = ("time=t", "path=p", "query=q")
    _, request = read("json", '{"t": 1, "p": "/a", "q": "?b=c"}', mapping=mapping)
    assert request.target == "/a?b=c"
    _, request = read("json", '{"t": 1, "p": "/a?x", "q": "b=c"}', mapping=mapping)
    assert request.target == "/a?x"


@pytest.mark.parametrize("said", ["path", "path=", "colour=c", "duration=a:parsec"])
def test_a_mapping_that_makes_no_sense_is_refused(said: str) -> None:
    with pytest.raises(ValueError):
        Traffic([], "json", mapping=(said,))


@pytest.mark.parametrize(("line", "why"), [
    ("{", "not JSON"),
    ('{"path": "/", "time": ' + "1" * 5000 + "}", "^not JSON: .* 5000 digits$"),
    ("[]", "not a JSON object"),
    ('{"time": 1}', "there is no path"),
    ('{"path": "/"}', "there is no time"),
    ('{"time": "yesterday", "path": "/"}', "is not a time"),
    ('{"time": -1, "path": "/"}', "is not a time"),
    ('{"time": 1e999, "path": "/"}', "is not a time"),
    ('{"time": "nan", "path": "/"}', "is not a time"),
    ('{"time": "10/Smarch/2000:13:55:36 +0000", "path": "/"}', "is not a time"),
    ('{"time": "10/Oct/2000:13", "path": "/"}', "is not a time"),
])  # fmt: skip
def test_what_a_json_line_lacks_is_said(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        read("nginx-json", line)
