"""Responses that break the grammar, and can still be read in one way only."""

from __future__ import annotations

import pytest

from l7proxy.http1 import BadResponse, ChunkedBody, Limits, ResponseParser
from l7proxy.http1.lenient import LenientResponseParser

from .corpus.responses import CASES
from .support import bytewise

GOOD = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n"


def read(data: bytes) -> tuple[bytes, bytes]:
    """The head as it is sent on, and what is behind it, which is the same however it comes."""
    whole = LenientResponseParser().parse(data)
    assert whole is not None
    parser, come, scanned = LenientResponseParser(), b"", 0
    for octet in bytewise(data):
        come += octet
        parsed = parser.parse(come, 0, scanned)
        if parsed is not None:
            assert (parsed[0].forwarded, parsed[1]) == (whole[0].forwarded, whole[1])
            break
        scanned = len(come)
    else:
        raise AssertionError("in pieces it never ends")
    return whole[0].forwarded, data[whole[1] :]


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\n",
    b"HTTP/1.1  200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1   200 OK\nA: b\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\ncontent-length: 2 \r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 2, 2\nA: b\nContent-Length:2\n\n",
])  # fmt: skip
@pytest.mark.parametrize("behind", [b"", b"ok", b"\n", b"a\n\nb\r\n\r\nc", GOOD])
def test_what_can_be_read_in_one_way_only_is_sent_on_as_it_should_have_been(
    data: bytes, behind: bytes
) -> None:
    assert read(data + behind) == (GOOD, behind)


def read_bytewise(data: bytes) -> None:
    """Reads a head that has no end before the last byte."""
    come, parser = b"", LenientResponseParser()
    for octet in bytewise(data):
        come += octet
        assert parser.parse(come) is None


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 200 OK\rA: b\r\n\r\n",
    b"HTTP/1.1 200 OK\nA: b\r\r\n\r\n",
    b"HTTP/1.1\t200 OK\n\n",
    b"HTTP/1.1 \t200 OK\r\n\r\n",
    b" HTTP/1.1 200 OK\r\n\r\n",
    b"\nHTTP/1.1 200 OK\n\n",
    b"HTTP/1.1 200 OK\nA: b\n c\n\n",
    b"HTTP/1.1 200 OK\nA : b\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 02\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 2\nTransfer-Encoding: chunked\n\n",
])  # fmt: skip
def test_what_is_ambiguous_is_refused_as_ever(data: bytes) -> None:
    with pytest.raises(BadResponse):
        LenientResponseParser().parse(data)
    with pytest.raises(BadResponse):
        read_bytewise(data)


def test_what_is_good_is_read_as_by_the_strict() -> None:
    for case in CASES:
        if len(case.data) > 9999:
            continue
        try:
            strict = ResponseParser().parse(case.data)
        except BadResponse:
            continue
        lenient = LenientResponseParser().parse(case.data)
        if strict is None:
            assert lenient is None
        else:
            assert lenient is not None
            assert (lenient[0].forwarded, lenient[1]) == (strict[0].forwarded, strict[1])


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_the_limits_are_the_same(end: bytes) -> None:
    limits = Limits(head=200, line=60, fields=3)
    for head in (
        b"HTTP/1.1 200 " + 60 * b"x" + end,
        b"HTTP/1.1 200 OK" + end + 4 * (b"A: b" + end),
        b"HTTP/1.1 200 OK" + end + b"A: " + 200 * b"x" + end,
    ):
        with pytest.raises(BadResponse):
            LenientResponseParser(limits).parse(head + end)
    with pytest.raises(BadResponse):
        LenientResponseParser(limits).parse(b"HTTP/1.1 200 OK" + end + b"A: " + 200 * b"x")


def test_sizes_of_chunks_may_have_blanks_behind_them() -> None:
    data = b"2  \r\nhi\r\n3;a=b\t\r\nyou\r\n0 \r\n\r\n"
    for pieces in ([data], list(bytewise(data))):
        body = ChunkedBody(BadResponse, padded=True)
        assert b"".join(b"".join(body.feed(piece)[0]) for piece in pieces) == b"hiyou"
        assert body.complete
    with pytest.raises(BadResponse):
        ChunkedBody(BadResponse).feed(data)
    for bad in (b" 2\r\nhi", b"2 2\r\nhi", b"2\x0b\r\nhi", b"2 \nhi"):
        with pytest.raises(BadResponse):
            ChunkedBody(BadResponse, padded=True).feed(bad)
