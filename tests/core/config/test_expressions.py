"""Expressions in a configuration, of which none may take long unless that is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.config import ConfigError, config_from

SLOW = r"/(\w+\s?)+!"
ALLOWED = {"backtracking": "allowed"}


def configured(route: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration with one route, to a pool."""
    pools = {"p": {"backends": ["a:80"]}}
    return {"backend_pools": pools, "routes": [{"backend_pool": "p", **route}], **more}


def problems(value: dict[str, Any]) -> list[tuple[str, str]]:
    """The places and texts of what is wrong with a configuration."""
    try:
        config_from(value)
    except ConfigError as error:
        return [(problem.pointer, problem.message) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("where", "route", "allowing"),
    [
        ("/path_regex", {"path_regex": SLOW}, {"path_regex": SLOW, **ALLOWED}),
        *(
            (
                f"/{kind}/X/regex",
                {kind: {"X": {"regex": SLOW}}},
                {kind: {"X": {"regex": SLOW, **ALLOWED}}},
            )
            for kind in ("headers", "query", "cookies")
        ),
        (
            "/rewrite/regex",
            {"rewrite": {"regex": SLOW, "substitution": "/"}},
            {"rewrite": {"regex": SLOW, "substitution": "/", **ALLOWED}},
        ),
    ],
)
def test_an_expression_that_could_take_long_is_refused_unless_that_is_allowed(
    where: str, route: dict[str, Any], allowing: dict[str, Any]
) -> None:
    ((pointer, text),) = problems(configured(route))
    assert pointer == "/routes/0" + where
    assert text.startswith(rf'"{SLOW}" could hold up all requests: (\w+\s?)+ can read')
    assert text.endswith('("backtracking": "allowed" beside it lets it pass)')
    assert problems(configured(allowing)) == []


def test_what_is_done_without_a_route_is_held_to_the_same() -> None:
    default = {"backend_pool": "p", "rewrite": {"regex": "(.*)[.]php", "substitution": "/{1}"}}
    ((pointer, text),) = problems(configured({"path": "/"}, default=default))
    assert pointer == "/default/rewrite/regex" and "tried from many characters" in text
    default["rewrite"] = {"regex": "^(.*)[.]php", "substitution": "/{1}"}
    assert problems(configured({"path": "/"}, default=default)) == []


def test_a_value_may_have_characters_that_a_path_never_has() -> None:
    regex = r"/(?:\s+|b)*"
    assert problems(configured({"path_regex": regex})) == []
    ((pointer, _),) = problems(configured({"query": {"X": {"regex": regex}}}))
    assert pointer == "/routes/0/query/X/regex"


def test_the_longer_the_texts_may_be_the_less_a_character_may_take() -> None:
    route = {"path_regex": "/(?:" + "|".join(f"(?i:.*{letter}!)" for letter in "abcdefghij") + ")"}
    assert problems(configured(route)) == []
    larger = {"limits": {"line": 100_000, "head": 200_000}}
    ((pointer, text),) = problems(configured(route, server=larger))
    assert pointer == "/routes/0/path_regex" and "steps may be needed" in text


def test_what_is_no_expression_is_not_looked_at() -> None:
    ((pointer, text),) = problems(configured({"path_regex": "/(a+"}))
    assert pointer == "/routes/0/path_regex" and "is not a regular expression" in text
