"""The corpus and its neighbours, through a proxy without sockets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http1.corpus.requests import CASES as REQUESTS
from tests.http1.corpus.responses import CASES as RESPONSES
from tests.http1.strategies import mutated, requests

from .in_memory import request_faults, response_faults

repeatable = settings(derandomize=True, deadline=None, max_examples=200, database=None)

SHORT_REQUESTS = [case.data for case in REQUESTS if len(case.data) < 999]
SHORT_RESPONSES = [case.data for case in RESPONSES if len(case.data) < 999]


def test_the_proxy_passes_on_what_the_corpus_has_accepted_and_nothing_else() -> None:
    assert [fault for data in SHORT_REQUESTS for fault in request_faults(data)] == []
    assert [fault for data in SHORT_RESPONSES for fault in response_faults(data)] == []


@repeatable
@given(requests(), mutated(st.sampled_from(SHORT_REQUESTS)))
def test_what_is_pipelined_behind_a_request_is_passed_on_or_refused(
    first: bytes, second: bytes
) -> None:
    assert request_faults(first + second) == []


@repeatable
@given(mutated(st.sampled_from(SHORT_RESPONSES)))
def test_the_neighbours_of_the_responses_in_the_corpus_are_passed_on_or_refused(
    data: bytes,
) -> None:
    assert response_faults(data) == []
