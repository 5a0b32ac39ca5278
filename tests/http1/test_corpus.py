from __future__ import annotations

import random

import pytest

from .corpus import BadGateway, Refused, RequestCase, ResponseCase
from .corpus.requests import CASES as REQUESTS
from .corpus.responses import CASES as RESPONSES
from .support import bytewise, read_requests, read_response, split

each_request = pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
each_response = pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)


@each_request
def test_a_request_in_one_piece_has_the_outcome_the_corpus_says(case: RequestCase) -> None:
    assert read_requests([case.data]) == case.expect, case.why


@each_request
def test_a_request_byte_by_byte_has_the_same_outcome(case: RequestCase) -> None:
    assert read_requests(bytewise(case.data)) == case.expect, case.why


@each_request
def test_a_request_in_random_pieces_has_the_same_outcome(case: RequestCase) -> None:
    dice = random.Random(case.name)
    for _ in range(5):
        cuts = [dice.randrange(len(case.data) + 1) for _ in range(dice.randrange(1, 6))]
        assert read_requests(split(case.data, cuts)) == case.expect, cuts


@each_response
def test_a_response_in_one_piece_has_the_outcome_the_corpus_says(case: ResponseCase) -> None:
    assert read_response([case.data], case.method, case.upgrade) == case.expect, case.why


@each_response
def test_a_response_byte_by_byte_has_the_same_outcome(case: ResponseCase) -> None:
    assert read_response(bytewise(case.data), case.method, case.upgrade) == case.expect, case.why


def test_the_corpus_is_as_large_and_as_hostile_as_it_should_be() -> None:
    refused = [case for case in REQUESTS if any(isinstance(o, Refused) for o in case.expect)]
    assert len(refused) >= 150
    assert sum(isinstance(case.expect, BadGateway) for case in RESPONSES) >= 60


@pytest.mark.parametrize("cases", [REQUESTS, RESPONSES])
def test_names_in_the_corpus_are_unique(cases: list[RequestCase] | list[ResponseCase]) -> None:
    assert len({case.name for case in cases}) == len(cases)
