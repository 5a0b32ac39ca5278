from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.http1 import BadResponse, RequestParser, ResponseParser

from . import strategies
from .corpus import RequestCase, ResponseCase
from .corpus.requests import CASES as REQUESTS
from .corpus.responses import CASES as RESPONSES
from .differential import disagreements
from .invariants import request_faults, response_faults
from .support import forward_all

repeatable = settings(derandomize=True, deadline=None, max_examples=300, database=None)

SHORT_REQUESTS = [case.data for case in REQUESTS if len(case.data) < 999]
SHORT_RESPONSES = [case.data for case in RESPONSES if len(case.data) < 999]


@repeatable
@given(strategies.requests())
def test_a_valid_request_is_accepted_and_every_peer_reads_the_same(data: bytes) -> None:
    assert len(forward_all(data)) == 1
    assert disagreements(data) == (1, [])


@repeatable
@given(strategies.mutated(strategies.requests()))
def test_no_promise_is_broken_by_a_spoilt_request(data: bytes) -> None:
    assert request_faults(data) == []


@repeatable
@given(strategies.mutated(st.sampled_from(SHORT_REQUESTS)))
def test_no_promise_is_broken_by_the_neighbours_of_the_requests_in_the_corpus(data: bytes) -> None:
    assert request_faults(data) == []


@repeatable
@given(strategies.mutated(st.sampled_from(SHORT_RESPONSES)))
def test_no_promise_is_broken_by_the_neighbours_of_the_responses_in_the_corpus(
    data: bytes,
) -> None:
    assert response_faults(data) == []


@repeatable
@given(
    st.sampled_from([b"", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"]),
    st.binary(max_size=200),
)
def test_no_promise_is_broken_by_any_bytes_from_a_client(start: bytes, data: bytes) -> None:
    assert request_faults(start + data) == []


@repeatable
@given(st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]), st.binary(max_size=200))
def test_no_promise_is_broken_by_any_bytes_from_a_backend(start: bytes, data: bytes) -> None:
    assert response_faults(start + data) == []


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
def test_no_promise_is_broken_by_a_request_of_the_corpus(case: RequestCase) -> None:
    assert request_faults(case.data) == []


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
def test_no_promise_is_broken_by_a_response_of_the_corpus(case: ResponseCase) -> None:
    assert response_faults(case.data) == []


def test_a_response_is_never_refused_with_anything_but_502() -> None:
    with pytest.raises(BadResponse) as refusal:
        ResponseParser().parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")
    assert refusal.value.status == 502
