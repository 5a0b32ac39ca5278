"""nginx's and Apache's access logs."""

from __future__ import annotations

import pytest

from tests.tools.formats.logs import (
    COMBINED,
    members,
    only,
    read,
    simulate,
)


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
