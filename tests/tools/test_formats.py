"""Logs of others, read as requests; and envelopes, which stay what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import SimulateConfig
from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats import (
    FORMATS,
    BadLine,
    LoggedRequest,
    Traffic,
    UnknownFormat,
    Unreadable,
    access,
    envelopes,
)
from l7proxy.tools.formats.registry import LOGS, Details, recognise
from l7proxy.tools.formats.times import any_time, common_log_time

COMBINED = (
    '192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /api/a?b=c HTTP/1.1" 200 2326 '
    '"http://e.org/" "curl/8"'
)
HAPROXY = (
    "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in "
    "static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu|curl} {} "
    '"GET /index.html HTTP/1.1"'
)
NGINX = {
    "msec": "1700000000.250",
    "remote_addr": "192.0.2.1",
    "request_method": "POST",
    "request_uri": "/api/a?b=c",
    "host": "example.com",
    "http_user_agent": "curl/8",
    "status": 201,
    "upstream_response_time": "0.010, 0.020",
}
ENVOY = {
    "start_time": "2023-11-14T22:13:20.250Z",
    "method": "GET",
    "path": "/api/a",
    "authority": "example.com",
    "response_code": 503,
    "duration": 40,
    "downstream_remote_address": "192.0.2.1:51234",
    "user_agent": "-",
}
CADDY = {
    "ts": 1700000000.25,
    "request": {
        "remote_ip": "2001:db8::1",
        "method": "GET",
        "host": "example.com",
        "uri": "/api/a",
        "headers": {"User-Agent": ["curl/8"], "X-A": ["1", "2"]},
    },
    "duration": 0.04,
    "status": 200,
}
TRAEFIK = {
    "StartUTC": "2023-11-14T22:13:20.250000000Z",
    "ClientHost": "192.0.2.1",
    "RequestMethod": "GET",
    "RequestPath": "/api/a",
    "RequestHost": "example.com",
    "OriginStatus": 200,
    "OriginDuration": 40_000_000,
    "DownstreamStatus": 200,
}
HAR = {
    "log": {
        "entries": [
            {
                "startedDateTime": "2023-11-14T22:13:20.250Z",
                "time": 40,
                "request": {
                    "method": "POST",
                    "url": "https://user@example.com:8443/api/a?b=c#d",
                    "headers": [
                        {"name": ":method", "value": "POST"},
                        {"name": "X-A", "value": "1"},
                        {"name": "X-A", "value": "2"},
                    ],
                    "postData": {"text": "hello"},
                },
                "response": {"status": 200},
            }
        ]
    }
}


def only(lines: list[str], **options: Any) -> tuple[float, HttpRequest]:
    """When the one request in these lines was made, in seconds since the first; and the request."""
    traffic = Traffic(lines, **options)
    ((_, at, request),) = traffic.requests()
    assert traffic.bad == 0
    return at, request


def read(name: str, line: str, **details: Any) -> LoggedRequest:
    """When the request in a line was made, in seconds since 1970; and the request."""
    return LOGS[name](Details(**details))(line)


def members(request: HttpRequest) -> dict[str, Any]:
    """All that there is in the request, but for what is empty."""
    found = {name: getattr(request, name) for name in HttpRequest.__slots__}
    found["headers"] = list(request.headers)
    return {name: value for name, value in found.items() if value}


def simulate(**settings: Any) -> SimulateConfig:
    return SimulateConfig(**settings)


def test_a_combined_line_is_a_request_at_its_time() -> None:
    at, request = read("combined", COMBINED)
    assert at == 971211336.0
    assert members(request) == {
        "client_ip": "192.0.2.1",
        "method": "GET",
        "target": "/api/a?b=c",
        "headers": [("Referer", "http://e.org/"), ("User-Agent", "curl/8")],
    }


def test_a_common_line_has_neither_referer_nor_agent() -> None:
    line = '::1 - "j d" [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.0" 304 -'
    at, request = only([line])
    assert at == 0.0
    assert members(request) == {"client_ip": "::1", "method": "GET", "target": "/"}


def test_a_host_in_front_becomes_the_host_header() -> None:
    _, request = only([f"example.com:443 {COMBINED}"])
    assert request.headers.get("host") == "example.com:443"


def test_escapes_in_a_log_are_what_they_stand_for() -> None:
    line = COMBINED.replace("curl/8", r" a \"b\" \x41 \\ \t.\t").replace("/api/a", r"/\x2fa")
    _, request = only([line])
    assert request.headers.get("user-agent") == 'a "b" A \\ \t.'
    assert request.target == "//a?b=c"


@pytest.mark.parametrize("agent", [r"a\\", r"\"", r"a\"b", "", r"a\"\\"])
def test_a_quoted_text_ends_at_the_first_quote_that_is_not_escaped(agent: str) -> None:
    _, request = only([COMBINED.replace("curl/8", agent)])
    plain = agent.replace('\\"', '"').replace("\\\\", "\\")
    assert request.headers.get("user-agent") == plain


@pytest.mark.parametrize("target", ["/a b", '/a\\"b', " ", "/a\\x20b"])
def test_an_odd_request_line_is_cut_at_its_first_and_its_last_blank(target: str) -> None:
    _, request = only([COMBINED.replace("/api/a?b=c", target)])
    assert request.target == target.replace('\\"', '"').replace("\\x20", " ")


def test_octets_beyond_ascii_are_in_a_path_what_serve_makes_of_them() -> None:
    line = COMBINED.replace("/api/a", r"/\xC3\xA9\xff\\xff\é").replace("curl/8", r"\xC3\xA9")
    _, request = only([line])
    assert request.target == "/%C3%A9%FF\\xffé?b=c"
    assert request.headers.get("user-agent") == "Ã©"


@pytest.mark.parametrize(("rest", "seconds"), [(" 0.125", 0.125), (' rt="1.250"', 1.25)])
def test_as_logged_a_backend_does_what_it_did_then(rest: str, seconds: float) -> None:
    _, request = only([COMBINED + rest], as_logged=True)
    assert request.simulate == simulate(status=200, latency=seconds)


def test_as_logged_says_nothing_of_what_the_log_does_not_know() -> None:
    line = COMBINED.replace(" 200 ", " 101 ")
    assert only([line], as_logged=True)[1].simulate is None


def test_as_logged_leaves_out_what_no_backend_could_do() -> None:
    log = {**NGINX, "upstream_response_time": 1e9, "status": 99}
    assert read("nginx-json", json.dumps(log), as_logged=True)[1].simulate is None


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
    assert recognise([line]) == name
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


@pytest.mark.parametrize(("name", "said", "why"), [
    ("combined", {"mapping": ["path=p"]}, '--map .* the format is "combined"'),
    ("har", {"mapping": ["path=p"]}, '--map .* the format is "har"'),
    ("json", {"captures": ["Host"]}, '--captures .* the format is "json"'),
])  # fmt: skip
def test_what_the_format_has_no_use_for_is_refused(name: str, said: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Traffic([], name, **said)


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


def test_envelopes_are_taken_as_they_are() -> None:
    line = '{"src": "c", "at": 2.5, "body": {"type": "status"}}'
    ((_, envelope),) = Traffic([line]).envelopes()
    assert envelope == json.loads(line)


@pytest.mark.parametrize(("line", "why"), [
    ("{", "not JSON"),
    ("[" * 100_000, "not JSON"),
    ("[]", "needs a body"),
    ('{"src": "a"}', "needs a body"),
    ('{"body": {}}', "needs a src"),
    ('{"src": "a", "at": "x", "body": {}}', "at must be"),
])  # fmt: skip
def test_what_is_no_envelope_is_said(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        envelopes.read(line)


def test_bad_lines_are_counted_and_the_first_five_are_kept() -> None:
    traffic = Traffic([COMBINED, *(f"garbage {n}" for n in range(7)), COMBINED, "\n"])
    assert len(list(traffic.requests())) == 2
    assert traffic.bad == 7
    assert [(number, text) for number, _, text in traffic.shown] == [
        (number, f"garbage {number - 2}") for number in range(2, 7)
    ]


def test_strict_refuses_the_first_bad_line() -> None:
    with pytest.raises(Unreadable, match="line 2: not a line of a combined access log: garbage"):
        list(Traffic([COMBINED, "garbage"], strict=True).requests())


def test_lines_in_the_order_of_their_ends_become_requests_in_the_order_of_their_starts() -> None:
    lines = [COMBINED.replace(":36 ", f":{second:02} ") for second in (3, 1, 2, 1)]
    assert [(number, at) for number, at, _ in Traffic(lines).requests()] == [
        (2, 0.0),
        (4, 0.0),
        (3, 1.0),
        (1, 2.0),
    ]


def test_time_never_runs_backwards_however_late_a_line_comes() -> None:
    lines = [COMBINED.replace(":36 ", ":30 ")] * 1500 + [COMBINED.replace(":36 ", ":10 ")]
    assert {at for _, at, _ in Traffic(lines).requests()} == {0.0}


@pytest.mark.parametrize(("first", "name"), [
    ([], "envelopes"),
    (["garbage", COMBINED], "combined"),
    ([HAPROXY], "haproxy"),
    (["{", ' "log": {'], "har"),
    ([json.dumps(HAR)], "har"),
    (['{"src": "a", "body": {}}'], "envelopes"),
    (['{"src": "a", "bo'], "envelopes"),
])  # fmt: skip
def test_the_format_is_told_from_the_first_lines(first: list[str], name: str) -> None:
    assert recognise(first) == name


def test_an_unknown_format_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UnknownFormat, match="--format"):
        Traffic(["time,client,path"])


@pytest.mark.parametrize(("text", "seconds"), [
    ("10/Oct/2000:13:55:36 -0700", 971211336.0),
    ("10/Oct/2000:20:55:36 +0000", 971211336.0),
    ("10/Oct/2000:20:55:36.5", 971211336.5),
])  # fmt: skip
def test_times_of_access_logs(text: str, seconds: float) -> None:
    assert common_log_time(text) == seconds
    assert any_time(text) == seconds


@pytest.mark.parametrize("value", [1700000000.25, "1700000000.25", 1700000000250,
    1700000000250000, 1700000000250000000, "2023-11-14T22:13:20.25+00:00",
    "2023-11-14T22:13:20.250"])  # fmt: skip
def test_times_of_json_logs(value: Any) -> None:
    assert any_time(value) == 1700000000.25


@pytest.mark.parametrize("name", FORMATS)
@given(line=st.text())
def test_no_line_whatever_brings_a_reader_down(name: str, line: str) -> None:
    found: list[Any] = played(name, line)
    assert len(found) <= 1


def played(name: str, line: str) -> list[Any]:
    """What the traffic in this one line is, in the format of that name."""
    traffic = Traffic([line], name, as_logged=True)
    try:
        return list(traffic.requests() if traffic.is_log else traffic.envelopes())
    except Unreadable:
        return []


PIECES = st.sampled_from(
    [COMBINED, HAPROXY, *map(json.dumps, (NGINX, ENVOY, CADDY, TRAEFIK, HAR["log"]["entries"][0]))]
)


@pytest.mark.parametrize("name", FORMATS)
@given(line=PIECES, cut=st.tuples(st.integers(0, 200), st.integers(0, 40)), put=st.text(max_size=9))
def test_nor_does_a_good_line_that_was_damaged(
    name: str, line: str, cut: tuple[int, int], put: str
) -> None:
    start, length = cut
    assert len(played(name, line[:start] + put + line[start + length :])) <= 1
