"""What the parser returns, written down again."""

from __future__ import annotations

import re

import pytest

from l7proxy.core.regex.text import parsed, written, written_set

AS_THEY_ARE = (
    "abc",
    r"a\.b",
    "[^a]",
    "[^ab]",
    "[a-z_-]",
    r"[\-a]",
    r"[\d\s]",
    r"\d\D\w\W\s\S",
    ".",
    r"^a$\A\Z\b\B",
    "a*b+c?",
    "a*?b+?c??",
    "a*+b++c?+",
    "a{2}b{2,}c{2,3}",
    "(?:ab)*",
    "(a|b.)*",
    "(?>a*b)c",
    "(?i:a)b",
    "(?s-i:.)",
    "(?=ab)(?!c|dd)(?<=e)(?<!f)",
    r"(a)\1",
    r"\x00\xe9\u20ac\U0001f600",
)


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_an_expression_is_written_as_it_was(text: str) -> None:
    assert written(parsed(text, 0)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(?P<name>a)", "(a)"),
        ("abc|abd", "ab[cd]"),
        ("ab|a", "a(?:b|)"),
        (r"[+-\-]", r"[\+-\-]"),
        (r"[&~\[]", r"[\&\~\[]"),
        ("(?:(?:ab))+", "(?:ab)+"),
        ("(?:a|bc)+", "(?:a|bc)+"),
        ("(a)(?(1)b|c)", "(a)(?(…)…)"),
    ],
)
def test_what_the_parser_forgets_is_written_in_another_way(text: str, shown: str) -> None:
    assert written(parsed(text, 0)) == shown


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text", [r"[+-\-]", r"[\--a]", r"[&~|\[]", "[^a]", r"[\w-]", "a", "[]^]", r"\.", r"[\]\\^-]"]
)
@pytest.mark.parametrize("flags", [0, re.IGNORECASE, re.ASCII | re.DOTALL])
def test_a_set_by_itself_has_the_characters_that_it_had(text: str, flags: int) -> None:
    (item,) = parsed(text, 0)
    alone = re.compile(written_set(item, flags))
    before = re.compile(text, flags)
    characters = [*map(chr, range(300)), "\u212a"]
    assert list(map(bool, map(alone.fullmatch, characters))) == list(
        map(bool, map(before.fullmatch, characters))
    )
