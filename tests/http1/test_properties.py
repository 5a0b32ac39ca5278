from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.http1 import BadResponse, RequestParser, ResponseParser

from . import strategies
from .corpus import RequestCase
from .corpus.requests import CASES as REQUESTS
from .corpus.responses import CASES as RESPONSES
from .differential import disagreements
from .support import bytewise, forward_all, read_requests, read_response, split

repeatable = settings(derandomize=True, deadline=None, max_examples=300, database=None)


@repeatable
@given(strategies.requests())
def test_a_valid_request_is_accepted_and_every_peer_reads_the_same(data: bytes) -> None:
    assert len(forward_all(data)) == 1
    assert disagreements(data) == (1, [])


@repeatable
@given(strategies.mutated(strategies.requests()))
def test_a_spoilt_request_is_refused_or_means_the_same_to_every_peer(data: bytes) -> None:
    assert disagreements(data)[1] == []


@repeatable
@given(strategies.mutated(strategies.requests()), st.data())
def test_the_outcome_does_not_depend_on_how_a_request_is_cut(
    data: bytes, draw: st.DataObject
) -> None:
    whole = read_requests([data])
    assert read_requests(bytewise(data)) == whole
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=6))
    assert read_requests(split(data, cuts)) == whole


@repeatable
@given(
    strategies.mutated(st.sampled_from([case.data for case in REQUESTS if len(case.data) < 999]))
)
def test_the_neighbours_of_the_corpus_are_refused_or_mean_the_same_to_every_peer(
    data: bytes,
) -> None:
    assert disagreements(data)[1] == []
    assert read_requests(bytewise(data)) == read_requests([data])


@repeatable
@given(
    strategies.mutated(st.sampled_from([case.data for case in RESPONSES if len(case.data) < 999])),
    st.sampled_from(["GET", "HEAD", "CONNECT"]),
    st.booleans(),
)
def test_the_outcome_does_not_depend_on_how_a_response_is_cut(
    data: bytes, method: str, upgrade: bool
) -> None:
    whole = read_response([data], method, upgrade)
    assert read_response(bytewise(data), method, upgrade) == whole


@repeatable
@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_refused_or_waited_on_but_never_crash(data: bytes) -> None:
    read_requests([data])
    read_response([data], "GET")
    read_response([b"HTTP/1.1 200 OK\r\n" + data], "GET")
    read_requests([b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data])


@settings(repeatable, max_examples=60)
@given(st.lists(strategies.requests(), min_size=1, max_size=5))
def test_what_is_remembered_equals_what_is_parsed_anew(requests: list[bytes]) -> None:
    remembering, forgetful = RequestParser(remember=2), RequestParser(remember=0)
    for data in requests * 3:
        first, second = remembering.parse(data), forgetful.parse(data)
        assert first is not None
        assert second is not None
        assert first[1] == second[1]
        for slot in ("method", "path", "host", "line", "forwardable", "length", "keep_alive"):
            assert getattr(first[0], slot) == getattr(second[0], slot)


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_what_the_corpus_has_accepted_means_the_same_to_every_peer(case: RequestCase) -> None:
    assert disagreements(case.data)[1] == []


def test_a_response_is_never_refused_with_anything_but_502() -> None:
    with pytest.raises(BadResponse) as refusal:
        ResponseParser().parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")
    assert refusal.value.status == 502
