"""Logs of others, read as envelopes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.tools.formats import (
    FORMATS,
    BadLine,
    Traffic,
    UnknownFormat,
    Unreadable,
    find_reader,
)
from l7proxy.tools.formats.registry import recognise
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


def only(lines: list[str], **options: Any) -> Any:
    traffic = Traffic(lines, **options)
    ((_, envelope),) = traffic
    assert traffic.bad == 0
    return envelope


def test_a_combined_line_is_a_request_at_its_time() -> None:
    read = find_reader("combined")
    assert read(COMBINED) == {
        "src": "192.0.2.1",
        "at": 971211336.0,
        "body": {
            "type": "http_request",
            "method": "GET",
            "path": "/api/a?b=c",
            "headers": {"Referer": "http://e.org/", "User-Agent": "curl/8"},
        },
    }


def test_a_common_line_has_neither_referer_nor_agent() -> None:
    line = '::1 - "j d" [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.0" 304 -'
    assert only([line]) == {
        "src": "::1",
        "at": 0.0,
        "body": {"type": "http_request", "method": "GET", "path": "/"},
    }


def test_a_host_in_front_becomes_the_host_header() -> None:
    assert only([f"example.com:443 {COMBINED}"])["body"]["headers"]["Host"] == "example.com:443"


def test_escapes_in_a_log_are_what_they_stand_for() -> None:
    line = COMBINED.replace("curl/8", r"a \"b\" \x41 \\ \t").replace("/api/a", r"/\x2fa")
    body = only([line])["body"]
    assert body["headers"]["User-Agent"] == 'a "b" A \\ \t'
    assert body["path"] == "//a?b=c"


def test_octets_beyond_ascii_are_in_a_path_what_serve_makes_of_them() -> None:
    line = COMBINED.replace("/api/a", r"/\xC3\xA9\xff\\xff\é").replace("curl/8", r"\xC3\xA9")
    body = only([line])["body"]
    assert body["path"] == "/%C3%A9%FF\\xffé?b=c"
    assert body["headers"]["User-Agent"] == "Ã©"


@pytest.mark.parametrize(("rest", "seconds"), [(" 0.125", 0.125), (' rt="1.250"', 1.25)])
def test_as_logged_a_backend_does_what_it_did_then(rest: str, seconds: float) -> None:
    body = only([COMBINED + rest], as_logged=True)["body"]
    assert body["simulate"] == {"status": 200, "latency": seconds}


def test_as_logged_says_nothing_of_what_the_log_does_not_know() -> None:
    line = COMBINED.replace(" 200 ", " 101 ")
    assert "simulate" not in only([line], as_logged=True)["body"]


def access(time: object, seconds: object = 0.5, **more: object) -> str:
    """A line of our own access log."""
    body = {"type": "http_request", "msg_id": 1, "path": "/api/a", "status": 503, "bytes": 0}
    body |= {"seconds": seconds, "time": time, **more}
    return json.dumps({"src": "c", "dest": "l7_proxy", "at": 0.25, "body": body})


def test_our_own_access_log_is_read_by_when_requests_began_whoever_wrote_it_first() -> None:
    # One that took long, one of another process that began to count later, one after a restart.
    lines = [access(1700000009.0, 9), access(1700000001.5), access(1700000100)]
    traffic = Traffic(lines, as_logged=True)
    read = [(number, envelope["at"], envelope["body"]["simulate"]) for number, envelope in traffic]
    assert traffic.format == "access"
    assert read == [
        (1, 0.0, {"status": 503, "latency": 9}),
        (2, 1.0, {"status": 503, "latency": 0.5}),
        (3, 99.5, {"status": 503, "latency": 0.5}),
    ]
    assert "simulate" not in only(lines[:1])["body"]


@pytest.mark.parametrize(("line", "why"), [
    (access("nan"), "is not a time"),
    (access(1700000000, "1"), "how long"),
    (access(1700000000, -1), "how long"),
    (access(1700000000, float("nan")), "how long"),
    ('{"src": "c", "body": {"path": "/"}}', "not a line of an access log"),
])  # fmt: skip
def test_what_is_wrong_with_a_line_of_our_own_access_log_is_said(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        find_reader("access")(line)


def test_haproxy_lines_have_captured_headers_by_the_names_that_they_are_given() -> None:
    envelope = only([HAPROXY], captures=("Host", "User-Agent"), as_logged=True)
    assert envelope == {
        "src": "10.0.1.2",
        "at": 0.0,
        "body": {
            "type": "http_request",
            "method": "GET",
            "path": "/index.html",
            "headers": {"Host": "1wt.eu", "User-Agent": "curl"},
            "simulate": {"status": 200, "latency": 0.069},
        },
    }


def test_a_request_that_haproxy_could_not_parse_is_a_bad_line() -> None:
    line = HAPROXY.replace('"GET /index.html HTTP/1.1"', '"<BADREQ>"').replace("/69/", "/-1/")
    with pytest.raises(BadLine, match="not a request line"):
        find_reader("haproxy", as_logged=True)(line)
    aborted = HAPROXY.replace("/69/", "/-1/").replace(" 200 ", " -1 ")
    assert "simulate" not in only([aborted], as_logged=True)["body"]


@pytest.mark.parametrize(("log", "name", "client", "simulate"), [
    (NGINX, "nginx-json", "192.0.2.1", {"status": 201, "latency": 0.02}),
    (ENVOY, "envoy-json", "192.0.2.1", {"status": 503, "latency": 0.04}),
    (CADDY, "caddy", "2001:db8::1", {"status": 200, "latency": 0.04}),
    (TRAEFIK, "traefik", "192.0.2.1", {"status": 200, "latency": 0.04}),
])  # fmt: skip
def test_json_logs_are_recognised_and_read(
    log: dict[str, Any], name: str, client: str, simulate: dict[str, Any]
) -> None:
    line = json.dumps(log)
    assert recognise([line]) == name
    envelope = find_reader(name, as_logged=True)(line)
    assert envelope["src"] == client
    assert envelope["at"] == 1700000000.25
    assert envelope["body"]["path"].startswith("/api/a")
    assert envelope["body"]["headers"]["Host"] == "example.com"
    assert envelope["body"]["simulate"] == pytest.approx(simulate)


def test_caddy_s_headers_are_taken_over() -> None:
    headers = find_reader("caddy")(json.dumps(CADDY))["body"]["headers"]
    assert headers == {"User-Agent": "curl/8", "X-A": ["1", "2"], "Host": "example.com"}


def test_fields_of_a_json_log_can_be_named() -> None:
    line = json.dumps({"t": 1700000000250, "r": {"line": "PUT /a HTTP/2"}, "took": 7, "q": ""})
    with pytest.raises(UnknownFormat, match="--map"):
        recognise([line])
    mapping = ("time=t", "request=x,r.line", "duration=took:ms", "query=q")
    read = find_reader("json", mapping=mapping, as_logged=True)
    assert read(line) == {
        "src": "-",
        "at": 1700000000.25,
        "body": {
            "type": "http_request",
            "method": "PUT",
            "path": "/a",
            "simulate": {"latency": 0.007},
        },
    }


@pytest.mark.parametrize(("mapping", "latency"), [
    ("duration=took", 7.0), ("duration=took:s", 7.0), ("duration=none,took:us", 0.000007),
])  # fmt: skip
def test_a_duration_is_in_seconds_unless_a_unit_is_said(mapping: str, latency: float) -> None:
    read = find_reader("json", mapping=("time=t", "path=p", mapping), as_logged=True)
    line = '{"t": 1, "p": "/", "took": 7}'
    assert read(line)["body"]["simulate"]["latency"] == pytest.approx(latency)


def test_a_query_in_a_field_of_its_own_is_put_behind_the_path() -> None:
    read = find_reader("json", mapping=("time=t", "path=p", "query=q"))
    assert read('{"t": 1, "p": "/a", "q": "?b=c"}')["body"]["path"] == "/a?b=c"
    assert read('{"t": 1, "p": "/a?x", "q": "b=c"}')["body"]["path"] == "/a?x"


@pytest.mark.parametrize("said", ["path", "path=", "colour=c", "duration=a:parsec"])
def test_a_mapping_that_makes_no_sense_is_refused(said: str) -> None:
    with pytest.raises(ValueError):
        find_reader("json", mapping=(said,))


@pytest.mark.parametrize(("name", "said", "why"), [
    ("combined", {"mapping": ["path=p"]}, '--map .* the format is "combined"'),
    ("har", {"mapping": ["path=p"]}, '--map .* the format is "har"'),
    ("json", {"captures": ["Host"]}, '--captures .* the format is "json"'),
])  # fmt: skip
def test_what_the_format_has_no_use_for_is_refused(name: str, said: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        find_reader(name, **said)


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
        find_reader("nginx-json")(line)


def test_a_har_document_is_read_entry_by_entry_in_order_of_time() -> None:
    earlier = json.loads(json.dumps(HAR["log"]["entries"][0]))
    earlier["startedDateTime"] = "2023-11-14T22:13:19.000Z"
    earlier["request"] = {"method": "GET", "url": "http://example.com?x"}
    document = {"log": {"entries": [*HAR["log"]["entries"], earlier, {"no": "request"}]}}
    traffic = Traffic(json.dumps(document, indent=1).splitlines(keepends=True), as_logged=True)
    first, second = [envelope for _, envelope in traffic]
    assert traffic.format == "har"
    assert (first["at"], second["at"]) == (0.0, 1.25)
    assert first["body"]["path"] == "/?x"
    assert second["body"] == {
        "type": "http_request",
        "method": "POST",
        "path": "/api/a?b=c",
        "headers": {"Host": "example.com:8443", "X-A": "1, 2"},
        "simulate": {"status": 200, "latency": 0.04},
        "body": "hello",
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
        list(Traffic([document], "har"))
    assert str(caught.value).startswith(f"not a HAR document: {why}")


def test_what_a_har_entry_lacks_is_said() -> None:
    with pytest.raises(BadLine, match='it has no "url"'):
        find_reader("har")('{"request": {}}')


def test_a_har_entry_with_another_scheme_is_a_bad_line() -> None:
    with pytest.raises(BadLine, match="not an http URL"):
        find_reader("har")(json.dumps(
            {"startedDateTime": 1, "request": {"url": "data:text/plain,a", "method": "GET"}}
        ))  # fmt: skip


def test_envelopes_are_taken_as_they_are() -> None:
    line = '{"src": "c", "at": 2.5, "body": {"type": "status"}}'
    assert only([line]) == json.loads(line)


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
        find_reader("envelopes")(line)


def test_bad_lines_are_counted_and_the_first_five_are_kept() -> None:
    traffic = Traffic([COMBINED, *(f"garbage {n}" for n in range(7)), COMBINED, "\n"])
    assert len(list(traffic)) == 2
    assert traffic.bad == 7
    assert [(number, text) for number, _, text in traffic.shown] == [
        (number, f"garbage {number - 2}") for number in range(2, 7)
    ]


def test_strict_refuses_the_first_bad_line() -> None:
    with pytest.raises(Unreadable, match="line 2: not a line of a combined access log: garbage"):
        list(Traffic([COMBINED, "garbage"], strict=True))


def test_lines_in_the_order_of_their_ends_become_requests_in_the_order_of_their_starts() -> None:
    lines = [COMBINED.replace(":36 ", f":{second:02} ") for second in (3, 1, 2, 1)]
    assert [(number, e["at"]) for number, e in Traffic(lines)] == [
        (2, 0.0),
        (4, 0.0),
        (3, 1.0),
        (1, 2.0),
    ]


def test_time_never_runs_backwards_however_late_a_line_comes() -> None:
    lines = [COMBINED.replace(":36 ", ":30 ")] * 1500 + [COMBINED.replace(":36 ", ":10 ")]
    assert {envelope["at"] for _, envelope in Traffic(lines)} == {0.0}


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
    try:
        made = find_reader(name, as_logged=True)(line)
    except BadLine:
        return
    assert isinstance(made["body"], dict)


PIECES = st.sampled_from(
    [COMBINED, HAPROXY, *map(json.dumps, (NGINX, ENVOY, CADDY, TRAEFIK, HAR["log"]["entries"][0]))]
)


@pytest.mark.parametrize("name", FORMATS)
@given(line=PIECES, cut=st.tuples(st.integers(0, 200), st.integers(0, 40)), put=st.text(max_size=9))
def test_nor_does_a_good_line_that_was_damaged(
    name: str, line: str, cut: tuple[int, int], put: str
) -> None:
    start, length = cut
    try:
        find_reader(name, as_logged=True)(line[:start] + put + line[start + length :])
    except BadLine:
        pass
