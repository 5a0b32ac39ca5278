from __future__ import annotations

import pytest

from l7proxy.http1 import (
    CHUNKED,
    LAST_CHUNK,
    TUNNEL,
    UNTIL_CLOSE,
    BadRequest,
    BadResponse,
    ChunkedBody,
    LengthBody,
    UntilCloseBody,
    body_reader,
    encode_chunk,
    last_chunk,
)

BIG = bytes(range(256)) * 256


def test_a_body_of_a_known_length_passes_the_very_object_that_came() -> None:
    reader = LengthBody(len(BIG) * 2)
    (piece,), end = reader.feed(BIG)
    assert piece is BIG
    assert end == len(BIG)
    assert not reader.complete
    (piece,), end = reader.feed(BIG + b"next")
    assert isinstance(piece, memoryview)
    assert piece == BIG
    assert end == len(BIG)
    assert reader.complete


def test_a_body_begins_behind_its_head() -> None:
    reader = LengthBody(3)
    assert reader.feed(b"head\r\n\r\nabcdef", 8) == ((b"abc",), 11)
    assert reader.feed(b"more") == ((), 0)


def test_an_empty_body_is_complete_before_anything_comes() -> None:
    assert LengthBody(0).complete
    assert LengthBody(0).feed(b"next") == ((), 0)


@pytest.mark.parametrize("length", [2, CHUNKED])
def test_a_body_cut_short_is_refused_as_its_side_is(length: int) -> None:
    with pytest.raises(BadRequest):
        body_reader(length).end()
    with pytest.raises(BadResponse):
        body_reader(length, BadResponse).end()


def test_a_complete_body_may_end() -> None:
    LengthBody(0).end()
    reader = ChunkedBody()
    reader.feed(b"0\r\n\r\n")
    reader.end()


def test_a_body_until_close_ends_when_the_connection_does() -> None:
    reader = body_reader(UNTIL_CLOSE)
    assert isinstance(reader, UntilCloseBody)
    assert reader.feed(b"--all", 2) == ((b"all",), 5)
    assert reader.feed(b"") == ((), 0)
    assert not reader.complete
    reader.end()
    assert reader.complete


def test_a_tunnel_is_no_body() -> None:
    with pytest.raises(ValueError, match="no body"):
        body_reader(TUNNEL)


def test_chunks_are_passed_on_without_being_copied() -> None:
    reader = ChunkedBody()
    data = b"5\r\nsmall\r\n%x\r\n%b\r\n0\r\n\r\nnext" % (len(BIG), BIG)
    (small, big), end = reader.feed(data)
    assert small == b"small"
    assert isinstance(big, memoryview)
    assert big.obj is data
    assert data[end:] == b"next"
    assert reader.complete


def test_a_chunk_over_several_reads_passes_the_very_objects_that_came() -> None:
    reader = ChunkedBody()
    assert reader.feed(b"%x\r\n" % (2 * len(BIG))) == ([], 7)
    for _ in range(2):
        (piece,), _ = reader.feed(BIG)
        assert piece is BIG
    assert reader.feed(b"\r\n0\r\n\r\n") == ([], 7)
    assert reader.complete


def test_of_many_small_chunks_a_few_are_taken_at_a_time_and_joined() -> None:
    reader = ChunkedBody()
    data = b"1\r\nx\r\n" * 1000 + b"0\r\n\r\nnext"
    sizes, end = [], 0
    while not reader.complete:
        pieces, stop = reader.feed(data, end)
        assert stop > end
        end = stop
        sizes.append(sum(map(len, pieces)))
        assert len(pieces) <= 1 or max(sizes) < 9
    assert sum(sizes) == 1000 and max(sizes) <= 64
    assert data[end:] == b"next"


def test_trailers_are_not_searched_from_their_beginning_with_each_octet() -> None:
    reader = ChunkedBody()
    trailers = b"X-A: b\r\n" * 1000
    data = b"0\r\n" + trailers + b"\r\n"
    for octet in data[:-1]:
        assert reader.feed(bytes([octet])) == ([], 1)
    assert not reader.complete
    reader.feed(data[-1:])
    assert reader.trailers == trailers


@pytest.mark.parametrize("cut", range(1, 33))
def test_a_chunked_body_can_be_cut_anywhere(cut: int) -> None:
    data = b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX: 1\r\n\r\n"
    reader = ChunkedBody()
    first, end = reader.feed(data[:cut])
    assert end == min(cut, len(data))
    second, end = reader.feed(b"--" + data[cut:] + b"next", 2)
    assert end == max(2, 2 + len(data) - cut)
    assert b"".join([*first, *second]) == b"abcd"
    assert reader.trailers == b"X: 1\r\n"
    assert reader.complete


@pytest.mark.parametrize(("name", "passed_on"), [
    ("X", True), ("X_Y", True), ("X-Forward", True),
    ("Cookie", False), ("X-Forwarded-For", False), ("X_Forwarded_For", False),
    ("X-Forwarded-Prefix", False), ("Content_Length", False), ("transfer_encoding", False),
])  # fmt: skip
def test_a_trailer_is_passed_on_unless_it_could_be_taken_for_what_the_proxy_says(
    name: str, passed_on: bool
) -> None:
    reader = ChunkedBody()
    field = f"{name}: 1\r\n".encode()
    reader.feed(b"0\r\nA: 1\r\n" + field + b"\r\n")
    assert reader.complete
    assert reader.trailers == b"A: 1\r\n" + (field if passed_on else b"")


def test_a_chunk_is_written_uncopied_and_never_empty() -> None:
    piece = memoryview(BIG)
    assert encode_chunk([b"ab", piece]) == [b"10002\r\n", b"ab", piece, b"\r\n"]
    assert encode_chunk([]) == encode_chunk([b"", b""]) == []


def test_the_last_chunk_carries_the_trailers() -> None:
    assert last_chunk() == LAST_CHUNK == b"0\r\n\r\n"
    assert last_chunk(b"X: 1\r\n") == b"0\r\nX: 1\r\n\r\n"
