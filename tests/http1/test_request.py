from __future__ import annotations

import pytest

from l7proxy.http1 import (
    CHUNKED,
    BadRequest,
    Limits,
    RequestHead,
    RequestParser,
    parse_request_fields,
)


def parse(data: bytes) -> RequestHead:
    parsed = RequestParser().parse(data)
    assert parsed is not None
    assert parsed[1] == len(data)
    return parsed[0]


def get(*lines: bytes) -> RequestHead:
    head = [b"GET /x?y HTTP/1.1", b"Host: a.example", *lines]
    return parse(b"".join(b"%b\r\n" % line for line in head) + b"\r\n")


def refusal(data: bytes, parser: RequestParser | None = None) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        (parser or RequestParser()).parse(data)
    return caught.value


def test_a_bare_head_is_sent_on_as_it_came() -> None:
    head = get()
    assert (head.method, head.target, head.path, head.host) == ("GET", b"/x?y", "/x?y", "a.example")
    assert (head.minor, head.length, head.keep_alive) == (1, 0, True)
    assert head.line == b"GET /x?y HTTP/1.1\r\n"
    assert head.forwardable == head.fields.block == b"Host: a.example\r\n"


def test_hop_by_hop_fields_and_those_connection_names_are_not_sent_on() -> None:
    head = get(
        b"Connection: Keep-Alive, X-Private",
        b"connection: te",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"TE: trailers",
        b"Upgrade: h2c",
        b"Proxy-Authenticate: Basic",
        b"Proxy-Authorization: Basic x",
        b"x-private: 1",
        b"X-Public: 2",
    )
    trailers = b"Connection: TE\r\nTE: trailers\r\n"
    assert head.forwardable == b"Host: a.example\r\nX-Public: 2\r\n" + trailers
    assert head.fields.connection == {b"keep-alive", b"x-private", b"te"}
    assert head.fields.accepts_trailers
    assert head.fields.upgrade is None


@pytest.mark.parametrize(("line", "is_sent_on"), [
    (b"TE: trailers", True),
    (b"te: gzip;q=0.5, Trailers", True),
    (b"TE: gzip", False),
    (b"TE:", False),
])  # fmt: skip
def test_that_trailers_are_taken_is_sent_on_and_nothing_else_of_te(
    line: bytes, is_sent_on: bool
) -> None:
    sent = b"Connection: TE\r\nTE: trailers\r\n" if is_sent_on else b""
    assert get(b"Connection: te", line).forwardable == b"Host: a.example\r\n" + sent
    # A client of HTTP/1.0 gets no chunks, and no trailers behind them.
    assert parse(b"GET / HTTP/1.0\r\n%b\r\n\r\n" % line).forwardable == b""


@pytest.mark.parametrize("length", [b"003", b"0" * 5000 + b"3", b"0", b"000"])
def test_a_length_is_sent_on_without_leading_zeros(length: bytes) -> None:
    head = get(b"Content-Length: " + length)
    assert head.length == int(length[-1:])
    assert head.forwardable == b"Host: a.example\r\nContent-Length: %d\r\n" % head.length


@pytest.mark.parametrize("line", [b"Connection: keep-alive", b"connection:Keep-Alive \t"])
def test_a_connection_that_is_kept_alive_is_not_sent_on(line: bytes) -> None:
    head = get(b"X-A: 1", line, b"X-B: 2")
    assert head.forwardable == b"Host: a.example\r\nX-A: 1\r\nX-B: 2\r\n"
    assert head.fields.connection == {b"keep-alive"}
    assert head.keep_alive
    twice = get(line, b"X-A: 1", line)
    assert twice.forwardable == b"Host: a.example\r\nX-A: 1\r\n"
    old = parse(b"GET / HTTP/1.0\r\n%b\r\n\r\n" % line)
    assert old.keep_alive
    assert old.forwardable == b""


def test_a_head_behind_another_loses_the_same_fields() -> None:
    first = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    data = first + b"GET /x HTTP/1.1\r\nConnection: keep-alive\r\nHost: b\r\n\r\n"
    parsed = RequestParser().parse(data, len(first))
    assert parsed is not None
    assert parsed[0].line == b"GET /x HTTP/1.1\r\n"
    assert parsed[0].forwardable == b"Host: b\r\n"


def test_a_field_that_counts_does_so_wherever_it_stands() -> None:
    fields = [b"X: 1", b"Host: a", b"Content-Length: 2", b"Via: b", b"Connection: keep-alive"]
    for _ in fields:
        fields.append(fields.pop(0))
        head = parse(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % b"\r\n".join(fields))
        assert (head.length, head.host, head.fields.via) == (2, "a", b"b")
        assert head.fields.connection == {b"keep-alive"}


def test_connection_cannot_remove_what_the_backend_relies_on() -> None:
    kept = [b"Content-Length: 0", b"Cookie: a=b", b"Authorization: x", b"X-Real-IP: 1.1.1.1"]
    head = get(
        b"Connection: host, content-length, Cookie, authorization, x-real-ip, x-forwarded-port",
        *kept,
        b"X-Forwarded-Port: 1",
    )
    assert head.forwardable == b"".join(b"%b\r\n" % x for x in [b"Host: a.example", *kept])
    assert head.fields.forwarded_more == b"X-Forwarded-Port: 1\r\n"


def test_what_the_client_says_of_its_side_is_taken_out_for_the_caller_to_judge() -> None:
    head = get(
        b"X-Forwarded-For: 1.1.1.1",
        b"x-forwarded-for:2.2.2.2",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: B.example",
        b"x-Forwarded-Port: 8443",
        b"X-Forwarded-Prefix:/shop",
        b"X-Forwarded: 1",
        b"Forwarded: for=1.1.1.1",
        b"Via: 1.1 edge",
        b"Expect: 100-Continue",
        b"Accept: */*",
    )
    fields = head.fields
    assert fields.forwarded_for == b"1.1.1.1, 2.2.2.2"
    assert fields.forwarded_proto == b"https"
    assert fields.forwarded_host == b"B.example"
    assert fields.forwarded == b"for=1.1.1.1"
    assert fields.forwarded_more == b"x-Forwarded-Port: 8443\r\nX-Forwarded-Prefix:/shop\r\n"
    assert fields.via == b"1.1 edge"
    assert fields.expect_continue
    assert head.forwardable == b"Host: a.example\r\nX-Forwarded: 1\r\nAccept: */*\r\n"


def test_an_underscore_does_not_bring_a_field_past_what_only_the_proxy_may_say() -> None:
    head = get(
        b"X_Forwarded_For: 1.1.1.1",
        b"x-forwarded_proto: https",
        b"X_FORWARDED-HOST: b.example",
        b"X-Forwarded_Port: 1",
        b"Content_Length: 5",
        b"Transfer_Encoding: chunked",
        b"X_Other: 1",
    )
    assert head.forwardable == b"Host: a.example\r\nX_Other: 1\r\n"
    assert head.fields.forwarded_for is None
    assert head.length == 0


def test_an_upgrade_counts_where_connection_lists_it() -> None:
    head = get(b"Connection: keep-alive, Upgrade", b"Upgrade: websocket")
    assert head.upgrade == head.fields.upgrade == b"websocket"
    assert head.forwardable == b"Host: a.example\r\n"
    assert get(b"Connection: keep-alive", b"Upgrade: websocket").upgrade is None


def test_an_old_client_can_neither_upgrade_nor_wait_for_100() -> None:
    fields = b"Host: a\r\nConnection: upgrade\r\nUpgrade: x\r\nExpect: 100-continue\r\n\r\n"
    new, old = (parse(b"GET / HTTP/1.%d\r\n" % minor + fields) for minor in (1, 0))
    assert (new.upgrade, new.expect_continue) == (b"x", True)
    assert (old.upgrade, old.expect_continue) == (None, False)


def test_fields_can_be_asked_for_by_name() -> None:
    fields = get(b"X-A:  1 ", b"x-a: 2", b"X-B: 3").fields
    assert fields.get("x-a") == b"1, 2"
    assert fields.get(b"x-b") == b"3"
    assert fields.get("x-c") is None
    assert fields.all("x-a") == (b"1", b"2")
    assert fields.items()[1] == (b"X-A", b"1")


def test_fields_can_be_left_out() -> None:
    head = get(b"X-A: 1", b"X-B: 2")
    names = frozenset((b"x-a", b"host"))
    assert head.without(names) == b"X-B: 2\r\n"
    for name in (b"a", b"b", b"c", b"d", b"e"):
        assert head.without(frozenset((name,))) == head.forwardable


def test_the_target_of_an_absolute_form_replaces_host() -> None:
    head = parse(b"GET http://b.example:81 HTTP/1.1\r\nX: 1\r\nHost: a.example\r\n\r\n")
    assert (head.path, head.host) == ("/", "b.example:81")
    assert head.fields.host == b"a.example"
    assert head.line == b"GET / HTTP/1.1\r\n"
    assert head.forwardable == b"Host: b.example:81\r\nX: 1\r\n"
    assert head.without(frozenset((b"x",))) == b"Host: b.example:81\r\n"


def test_a_target_beyond_ascii_is_sent_on_percent_encoded() -> None:
    head = parse("GET /é?q=漢 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert head.target == "/é?q=漢".encode()
    assert head.path == "/%C3%A9?q=%E6%BC%A2"
    assert head.line == b"GET /%C3%A9?q=%E6%BC%A2 HTTP/1.1\r\n"
    assert parse(b"GET http://a/\xe9 HTTP/1.1\r\nHost: a\r\n\r\n").path == "/%E9"


def test_an_old_client_is_sent_on_as_1_1_with_the_host_of_its_target() -> None:
    head = parse(b"GET http://a.example/ HTTP/1.0\r\n\r\n")
    assert head.line == b"GET / HTTP/1.1\r\n"
    assert head.forwardable == b"Host: a.example\r\n"
    assert (head.minor, head.keep_alive) == (0, False)


def test_connect_names_an_authority_and_no_path() -> None:
    head = parse(b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n")
    assert (head.method, head.path, head.host) == ("CONNECT", "", "[::1]:443")


def test_the_body_is_announced_by_length_or_chunks() -> None:
    assert get(b"Content-Length: 12").length == 12
    chunked = get(b"Transfer-Encoding: Chunked")
    assert chunked.length == CHUNKED
    assert chunked.forwardable == b"Host: a.example\r\n"


def test_the_same_bytes_give_the_same_head_object_from_the_second_time_on() -> None:
    parser = RequestParser()
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    first, second, third, fourth = (
        parser.parse(data),
        parser.parse(data),
        parser.parse(data),
        parser.parse(b"--" + data + b"--", 2),
    )
    assert first is not None
    assert second is not None
    assert third is not None
    assert fourth is not None
    assert first[0] is not second[0]
    assert second[0] is third[0] is fourth[0]
    assert third[1] == len(data)
    assert fourth[1] == len(data) + 2


def test_what_is_remembered_is_bounded() -> None:
    parser = RequestParser(remember=8)
    for n in range(1000):
        for _ in range(2):
            parser.parse(b"GET /%d HTTP/1.1\r\nHost: h%d\r\n\r\n" % (n, n))
            parser.parse(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3000 + b"\r\n\r\n")
    assert 0 < len(parser.remembered) <= 8
    assert all(len(key) <= 2048 for key in parser.remembered)


def test_a_parser_can_be_told_to_remember_nothing() -> None:
    parser = RequestParser(remember=0)
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    heads = [parser.parse(data) for _ in range(4)]
    assert len({id(parsed[0]) for parsed in heads if parsed is not None}) == 4


def test_limits_hold_for_one_parser() -> None:
    parser = RequestParser(Limits(head=100, line=40, fields=2))
    head = b"GET / HTTP/1.1\r\nHost: a\r\n"
    assert parser.parse(head + b"\r\n") is not None
    assert refusal(head + b"X: 1\r\nY: 1\r\n\r\n", parser).status == 431
    assert refusal(head + b"X: " + b"x" * 90 + b"\r\n\r\n", parser).status == 431
    assert refusal(b"GET /" + b"x" * 40 + b" HTTP/1.1\r\nHost: a\r\n\r\n", parser).status == 414


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="must leave room"):
        Limits(head=100, line=100)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
         '"X " is not a field name'),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
         'header field 3 (" 2") begins with whitespace; folded lines are obsolete, send one line'),
        (b"GET / HTTP/1.1\r\nnonsense\r\n\r\n",
         'header field 1 ("nonsense") has no colon; write Name: value'),
        (b"GET / HTTP/1.1\r\nX(): 1\r\n\r\n",
         '"X()" is not a field name'),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
         "the field X has a control character"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\0: \r\n\r\n",
         "a field's name has a control character"),
        (b"G\0ET / HTTP/1.1\r\nHost: a\r\n\r\n",
         "the method has a control character"),
        (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
         "the path has a space, a control character or a #"),
        (b"GET / HTTP/1\0.1\r\nHost: a\r\n\r\n",
         "the version has a control character"),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
         "the path has a space, a control character or a #"),
        (b"G(T /a HTTP/1.1\r\nHost: a\r\n\r\n",
         '"G(T" is not a method'),
        (b"GET /a\r\nHost: a\r\n\r\n",
         'the request line is "GET /a"; it must be METHOD SP TARGET SP HTTP/1.1'),
        (b"GET / HTTP/1.1\nX: 1\r\n\r\n",
         "an LF without CR at byte 14 of the head; lines end in CRLF"),
        (b"GET / HTTP/1.1\rX: 1\r\n\r\n",
         "a CR without LF at byte 14 of the head; lines end in CRLF"),
        (b"GET / HTTP/3.0\r\n\r\n",
         'the request line is "GET / HTTP/3.0"; speak HTTP/1.1 or 1.0'),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
         "more than one Host header"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
         'Content-Length is "5, 5"; it must be one decimal number'),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_wrong_and_where(data: bytes, reason: str) -> None:
    assert refusal(data).reason == reason
    assert str(refusal(data)) == reason


def test_a_field_block_whose_last_line_has_no_end_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"field 2 .* does not end in CRLF"):
        parse_request_fields(b"Host: a\r\nX: 1")


def test_a_refusal_quotes_no_more_than_a_little() -> None:
    assert len(refusal(b"GET " + b"x" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n").reason) < 200


def test_a_head_in_pieces_is_not_searched_from_its_beginning() -> None:
    parser = RequestParser()
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for seen in range(len(data)):
        assert parser.parse(data[:seen], 0, max(0, seen - 1)) is None
    assert parser.parse(data, 0, len(data) - 1) is not None
