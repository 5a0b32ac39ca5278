"""The queries that rewrites bring along, and the types of answers that routes give themselves."""

from __future__ import annotations

from typing import Any

import pytest

from .test_actions import location, opened


@pytest.mark.parametrize(("substitution", "query", "forwarded"), [
    ("/s?q={1}", "", "/s?q=x"),
    ("/s?q={1}", "?", "/s?q=x"),
    ("/s?q={1}", "?page=2", "/s?q=x&page=2"),
    ("/s?q={1}", "?a=?", "/s?q=x&a=?"),
    ("/s?", "?page=2", "/s?page=2"),
    ("/s?", "", "/s?"),
    ("/s", "?page=2", "/s?page=2"),
    ("{0}?q=1", "?page=2", "/x?q=1&page=2"),
])  # fmt: skip
def test_a_query_of_the_substitution_comes_before_that_of_the_client(
    substitution: str, query: str, forwarded: str
) -> None:
    rewrite = {"path_regex": "/(.*)", "rewrite": {"substitution": substitution}}
    exchange = opened({**rewrite, "backend_pool": "a"}, f"/x{query}")
    assert exchange.forward_target == forwarded
    assert exchange.forward_path == forwarded.partition("?")[0]
    for template in ("{target}", "{path}|{query}"):
        moved = opened({**rewrite, "redirect": {"location": template}}, f"/x{query}")
        shown = forwarded if template == "{target}" else "|".join(forwarded.partition("?")[::2])
        assert location(moved) == shown


@pytest.mark.parametrize(("respond", "headers"), [
    ({"body": "a"}, [("Content-Type", "text/plain; charset=utf-8")]),
    ({"body": "a", "headers": {"X-A": "b"}},
     [("X-A", "b"), ("Content-Type", "text/plain; charset=utf-8")]),
    ({"body": "{}", "headers": {"content-type": "application/json"}},
     [("content-type", "application/json")]),
    ({"body": ""}, None),
    ({"status": 204}, None),
])  # fmt: skip
def test_an_answer_of_the_route_s_own_says_what_type_it_has(
    respond: dict[str, Any], headers: list[tuple[str, str]] | None
) -> None:
    response = opened({"respond": respond}).response
    assert response is not None
    assert (None if response.headers is None else list(response.headers)) == headers


@pytest.mark.parametrize(("regex", "substitution", "path", "forwarded"), [
    ("^/(.*)", "/s?q={1}", "/a//../b", "/s?q=b"),
    ("^/.*", "/s?q=//../\u00e9", "/a", "/s?q=//../%C3%A9"),
    ("$", "?a", "/x", "/x?a"),
    ("^/.*", "?a", "/x", "/?a"),
])  # fmt: skip
def test_a_query_is_no_path_and_not_brought_into_the_form_of_one(
    regex: str, substitution: str, path: str, forwarded: str
) -> None:
    rewrite = {"regex": regex, "substitution": substitution}
    assert opened({"backend_pool": "a", "rewrite": rewrite}, path).forward_target == forwarded
