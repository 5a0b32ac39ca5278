"""What is remembered of heads, and when nobody looks for them any more."""

from __future__ import annotations

from l7proxy.http1 import RequestHead, RequestParser
from l7proxy.http1.memo import MISSES, REST, Memo


def head(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number


def parse(parser: RequestParser, data: bytes) -> RequestHead:
    parsed = parser.parse(data)
    assert parsed is not None
    return parsed[0]


def test_a_value_is_kept_when_its_key_comes_for_the_second_time() -> None:
    memo: Memo[int] = Memo()
    memo.remember(b"a", 1)
    assert memo == {}
    memo.remember(b"a", 2)
    assert memo == {b"a": 2}


def test_there_are_never_more_values_than_allowed_nor_longer_keys_and_the_oldest_makes_room() -> (
    None
):
    memo: Memo[int] = Memo(entries=2, key_size=3)
    for key in (b"a", b"b", b"c", b"long"):
        memo.remember(key, 1)
        memo.remember(key, 1)
    assert memo == {b"b": 1, b"c": 1}


def test_a_parser_that_never_meets_a_head_again_stops_looking_for_a_while() -> None:
    parser = RequestParser()
    known = parser.remembered
    for number in range(MISSES):
        parse(parser, head(number))
    assert not known.resting
    parse(parser, head(-1))
    assert known.resting == REST
    again = head(-2)
    first, second, third = (parse(parser, again) for _ in range(3))
    assert second is not third
    assert first is not second
    for number in range(known.resting):
        parse(parser, head(number))
    assert not known.resting
    parse(parser, again)
    assert parse(parser, again) is parse(parser, again)


def test_heads_that_come_now_and_then_keep_it_looking() -> None:
    parser = RequestParser()
    often = (head(-1), head(-2))
    for number in range(3 * MISSES):
        parse(parser, head(number))
        if number % (MISSES // 16) < 3:
            for data in often:
                parse(parser, data)
    assert not parser.remembered.resting
    for data in often:
        assert parse(parser, data) is parse(parser, data)


def test_the_head_that_was_known_last_is_known_though_nobody_looks() -> None:
    parser = RequestParser()
    last = [parse(parser, head(-1)) for _ in range(3)][-1]
    for number in range(MISSES + 1):
        parse(parser, head(number))
    assert parser.remembered.resting
    assert parse(parser, head(-1)) is last
    parsed = parser.parse(head(-1) + head(-2))
    assert parsed == (last, len(head(-1)))
