"""Cookies, from Cookie lines and from beside them."""

from __future__ import annotations

import pytest

from l7proxy.core import Headers, HttpRequest
from l7proxy.core.http.cookies import cookie_pairs, cookies_of


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("a=1; b=2", [("a", "1"), ("b", "2")]),
        ("a=1;b=2;", [("a", "1"), ("b", "2")]),
        ('quoted="x y"; one="', [("quoted", "x y"), ("one", '"')]),
        ("with=a=sign", [("with", "a=sign")]),
        ("nothing; =nameless; \t ; a=1", [("a", "1")]),
        ("", []),
    ],
)
def test_a_cookie_line_is_read_as_far_as_it_makes_sense(
    line: str, pairs: list[tuple[str, str]]
) -> None:
    assert cookie_pairs(line) == pairs


def test_cookies_beside_the_headers_win_and_of_repeated_names_the_first_counts() -> None:
    headers = Headers([("Cookie", "a=line; b=first"), ("cookie", "b=second; c=3")])
    request = HttpRequest("GET", "/", headers, cookies={"a": "beside"})
    assert cookies_of(request) == {"a": "beside", "b": "first", "c": "3"}


def test_without_a_cookie_line_there_are_those_beside_or_none() -> None:
    assert cookies_of(HttpRequest("GET", "/", cookies={"a": "1"})) == {"a": "1"}
    assert cookies_of(HttpRequest("GET", "/")) == {}
