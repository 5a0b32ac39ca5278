"""Targets: one normal form for paths, and hosts from where they count."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from l7proxy.core import Headers, HttpRequest
from l7proxy.core.http.local_reply import Refused
from l7proxy.core.http.target import (
    ForTheServer,
    PathRules,
    escape_segment,
    hops_left,
    host_of,
    normal_path,
    parse_target,
)
from tests.core.routing.reference import reference_normal
from tests.core.routing.test_router import as_http, router_for, some_path, some_request, some_route

PIECES = """
    / / // /. /.. . .. a b ; ..;x ~ \\ é * + : @ ' " < | % %4 %41 %61 %2e %2E%2e %2F %2f %5c %00 %1f
    %7F %zz %c3%a9 %7e %25 %2a
"""
pieces = st.sampled_from(PIECES.split())
wild_paths = st.lists(pieces, max_size=9).map("".join)


def path_of(target: str, rules: PathRules | None = None) -> str:
    return parse_target(HttpRequest("GET", target), rules or PathRules()).path


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a/b.html", "/a/b.html"),
        ("//a///b//", "/a/b/"),
        ("/a/./b/../c", "/a/c"),
        ("/a/..", "/"),
        ("/a/b/.", "/a/b/"),
        ("/%61%2D%7e", "/a-~"),
        ("/a%2e%2E/b", "/a../b"),
        ("/a/%2e%2E/b", "/b"),
        ("/%3a%c3%A9", "/%3A%C3%A9"),
        ("/é", "/%C3%A9"),
        ("/%2561", "/%2561"),
        ("/.well-known/x", "/.well-known/x"),
        ("/...", "/..."),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/a//../b", "/b"),
        ("http://example.com", "/"),
        ("http://example.com?q", "/"),
        ("HTTPS://Example.com:8080/%41", "/A"),
    ],
)
def test_a_path_has_one_normal_form(target: str, path: str) -> None:
    assert path_of(target) == path


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("", "must start with /"),
        ("?q", "must start with /"),
        ("a/b", "must start with /"),
        ("*", "must start with /"),
        ("example.com:443", "must start with /"),
        ("ftp://example.com/", "must start with /"),
        ("http:///a", "no host"),
        ("httpſ://example.com/", "must start with /"),
        ("http://é.example/", "not a host"),
        ("http://example.com:65536/", "not a host"),
        ("http://user@example.com/", "not a host"),
        ("http://./", "not a host"),
        ("http://example.com:x/", "not a host"),
        ("/..", "climbs above the root"),
        ("/a/../../b", "climbs above the root"),
        ("/%2e%2e/b", "climbs above the root"),
        ("/a/..;/b", "dot segment with parameters"),
        ("/a\\b", "backslash"),
        ("/a%5Cb", "%5C"),
        ("/a%2fb", 'an encoded slash, %2F; "paths": {"encoded_slashes": "keep"} lets it pass'),
        ("/%00", "%00"),
        ("/%0d%0aX:", "%0D"),
        ("/%zz", "without two hexadecimal digits"),
        ("/%4", "without two hexadecimal digits"),
        ("/a b", "a space"),
        ("/a\x00", "a control character"),
        ("/a?q=\n", "a control character"),
        ("/a#b", "a #"),
        ("/\ud800", "not Unicode"),
    ],
)
def test_what_backends_could_read_in_two_ways_is_refused(target: str, why: str) -> None:
    with pytest.raises(Refused) as caught:
        path_of(target)
    assert caught.value.local_reply.status == 400
    assert why in caught.value.local_reply.text


def test_a_method_is_a_token() -> None:
    parse_target(HttpRequest("PROPFIND", "/"))
    for method in ("", "GET /", "G\tT", "G(T"):
        with pytest.raises(Refused):
            parse_target(HttpRequest(method, "/"))


def test_the_query_passes_untouched_but_for_what_is_not_ascii() -> None:
    target = parse_target(HttpRequest("GET", "/a/../b?x=%2F/../\\&&%zz?"))
    assert (target.path, target.query) == ("/b", "x=%2F/../\\&&%zz?")
    assert parse_target(HttpRequest("GET", "/?é=%c3漢")).query == "%C3%A9=%c3%E6%BC%A2"
    with pytest.raises(Refused, match="not Unicode"):
        parse_target(HttpRequest("GET", "/?\ud800"))
    assert parse_target(HttpRequest("GET", "/?")).query == ""
    assert parse_target(HttpRequest("GET", "/")).query is None


def test_slashes_may_be_kept_as_they_are() -> None:
    every = PathRules(merge_slashes=False)
    assert path_of("//a//b", every) == "//a//b"
    assert path_of("/a//../b", every) == "/a/b"
    encoded = PathRules(keep_encoded_slashes=True)
    assert path_of("/a%2fb/c", encoded) == "/a%2Fb/c"
    for target in ("/a/..%2fb", "/a%2F../b", "/a%2f..", "/a%2f.%2fb", "/%2e%2e%2fb", "/a%2f%2e%2e"):
        with pytest.raises(Refused, match="dot segment beside %2F"):
            path_of(target, encoded)


def test_a_target_shows_itself() -> None:
    assert repr(parse_target(HttpRequest("GET", "/a?b"))) == "Target(None, '/a', 'b')"


def test_any_text_can_be_written_in_a_path() -> None:
    assert escape_segment("a b/é*~\ud800") == "a%20b/%C3%A9%2A~%3F"


@pytest.mark.parametrize(
    ("target", "hosts", "host"),
    [
        ("/", [], ""),
        ("/", ["Example.COM:8080"], "example.com"),
        ("/", ["example.com."], "example.com"),
        ("/", ["[2001:DB8::1]:80"], "[2001:db8::1]"),
        ("/", ["[2001:0db8:0:0::0001]"], "[2001:db8::1]"),
        ("/", ["[::FFFF:a00:1]"], "[::ffff:10.0.0.1]"),
        ("/", ["[::ffff:10.0.0.1]:8080"], "[::ffff:10.0.0.1]"),
        ("/", ["[1:0::A]"], "[1::a]"),
        ("http://A.example.com:81/", ["b.example.com"], "a.example.com"),
    ],
)
def test_the_host_is_that_of_an_absolute_target_else_of_the_host_header(
    target: str, hosts: list[str], host: str
) -> None:
    request = HttpRequest("GET", target, Headers([("Host", line) for line in hosts]))
    parsed = parse_target(request)
    assert host_of(request, parsed) == host
    assert host_of(request, parsed) == host


@pytest.mark.parametrize("hosts", [[""], ["a", "a"], ["a b"], ["a@b"], ["a/b"], [":80"], ["é"]])
def test_a_host_header_that_is_no_host_is_refused(hosts: list[str]) -> None:
    request = HttpRequest("GET", "/", Headers([("host", line) for line in hosts]))
    with pytest.raises(Refused):
        host_of(request, parse_target(request))


@settings(max_examples=2000)
@given(wild_paths, st.booleans(), st.booleans())
@example("/a/%2e%2e/b", True, False)
def test_normalising_twice_changes_nothing(path: str, merge: bool, keep: bool) -> None:
    rules = PathRules(merge_slashes=merge, keep_encoded_slashes=keep)
    try:
        once = normal_path(path, rules)
    except Refused:
        return
    assert normal_path(once, rules) == once
    assert path_of(once, rules) == once
    assert once.isascii() and once.startswith("/")


@settings(max_examples=2000)
@given(wild_paths)
def test_the_normal_form_is_what_a_plain_reading_of_the_rules_gives(path: str) -> None:
    expected = reference_normal(path.replace("é", "%C3%A9"))
    try:
        assert normal_path(path) == expected
    except Refused:
        assert expected is None


@settings(max_examples=500)
@given(st.integers(0, 2**64))
def test_the_path_that_is_forwarded_takes_the_route_that_was_matched(seed: int) -> None:
    random = Random(seed)
    router = router_for([some_route(random) for _ in range(8)])
    request = some_request(random)
    plain = some_path(random)
    request["path"] = random.choice(("/.", "//x/..", "/%61/..", "")) + plain.replace("a", "%61", 1)
    first = as_http(request)
    target = parse_target(first)
    request["path"] = target.path
    again = as_http(request)
    forwarded = parse_target(again)
    assert forwarded.path == target.path
    assert router.match(again, forwarded) is router.match(first, target)


@pytest.mark.parametrize(("method", "target"), [("TRACE", "/"), ("CONNECT", "a.example:443")])
def test_what_is_never_passed_on_is_refused_before_the_target_is_looked_at(
    method: str, target: str
) -> None:
    with pytest.raises(Refused) as caught:
        parse_target(HttpRequest(method, target))
    assert caught.value.local_reply.status == 405
    assert caught.value.headers is not None and caught.value.headers.get("allow")


@pytest.mark.parametrize(
    ("target", "body"), [("/", b""), ("a.example", b""), ("a.example:1", b"x")]
)
def test_a_connect_names_a_port_and_has_no_content(target: str, body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse_target(HttpRequest("CONNECT", target, body=body))
    assert caught.value.local_reply.status == 400
    assert "CONNECT" in caught.value.local_reply.text


@pytest.mark.parametrize(("target", "hops"), [
    ("*", None), ("http://a.example", None), ("/a", "0"), ("/..", "0"), ("http://a.example/", "00"),
])  # fmt: skip
def test_an_options_may_be_for_the_server_itself(target: str, hops: str | None) -> None:
    headers = Headers([] if hops is None else [("Max-Forwards", hops)])
    with pytest.raises(ForTheServer):
        parse_target(HttpRequest("OPTIONS", target, headers))


@pytest.mark.parametrize(("target", "hops", "left"), [
    ("/", "", None), ("/", "1", 1), ("/", "٣", None), ("http://a?", "9999999999", None),
])  # fmt: skip
def test_or_for_whatever_its_path_names(target: str, hops: str, left: int | None) -> None:
    headers = Headers([("max-forwards", hops)])
    assert parse_target(HttpRequest("OPTIONS", target, headers)).path == "/"
    assert hops_left("OPTIONS", headers) == left
    assert hops_left("GET", headers) is None
