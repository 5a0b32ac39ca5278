"""What could take long is found; what could not, is not."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.core.regex.automaton import OCTETS, PATH_CHARACTERS
from l7proxy.core.regex.danger import Danger, find_danger
from l7proxy.core.regex.states import Builder, CantTell
from l7proxy.core.regex.uses import BEGINNING, FULL, SEARCH
from tests.core.regex.steps import TooMany, steps

FAST_WITH_PATHS = (
    r"^/api/v\d+/users/\d+$",
    r".*\.(png|jpe?g|css)$",
    r"^.+\.(?:gif|jpg|jpeg|png|ico|svg|woff2?|ttf|eot)$",
    "/(?P<lang>[a-z]{2})/(.*)",
    "/(.*)",
    "/(.*)/(.*)",
    "/.*/.*/.*",
    "^/(en|de|fr)(?:/(.*))?$",
    r"^/([a-z0-9]+(?:-[a-z0-9]+)*)/?$",
    r"^(/[\w.-]+)+/?$",
    "/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r".*[0-9a-f]{32}\.js",
    r"(?:[a-z0-9-]{1,63}\.)+[a-z]{2,63}",
    r"([\w-]+)-(\d+)\.html",
    r"^(.*)/thread-([0-9]+)-([0-9]+)-([0-9]+)\.html$",
    r"^(.+\.php)(/.*)$",
    r"^/(?P<org>[^/]+)/(?P<repo>[^/]+)(?:\.git)?/info/refs$",
    "^(?!/api/).*",
    r"/\.(?!well-known).*",
    "(?:(?!foo).)*",
    "(?=.*x).*",
    "(?i)/.*(?:admin|login)",
    r"\b\w+\b.*",
    "(?:/[^/]*)*",
    r"/(?>\w+\s?)+!",
    r"(?:\w++-?)+!",
    "[^/]*+/.*+",
    "(?>[^/]*)(?>x?)/",
    "(?:a|ab)(?:c|bcd)d*",
    "(a)?(?(1)b|c)",
    "",
    "a{3}b{2,}",
    "(?!)a",
    "(?>a(?:x?|y?)(?=b))b",
    "(?<=(ab))c*",
    "(?<=(?:ab){2})c*",
    "(?:(?<=ab)c|(?<!x)a|(?<=a|b)d)*",
)
FAST_SEARCHES = (
    "/+",
    "//+",
    "^/old/(.*)",
    "/v[0-9]+/",
    r"\.html?$",
    r"/index\.(html?|php)$",
    "^/|/$",
    "(?i)%2f",
    r"(?<!\w)\w+@",
    r"\b\w+@",
    r"\.\w+$",
    "(?m)^a+$",
    "/([0-9]+)/([0-9]+)",
)
SLOW = (
    # What is repeated is repeated, or is the same in two ways.
    (FULL, r"/(\w+\s?)+!", r"(\w+\s?)+ can read"),
    (FULL, "(a+)*x", "(a+)* can read"),
    (FULL, "(a*)*x", "(a*)* can read"),
    (FULL, "(?:b*)*b", "(?:b*)* can read"),
    (FULL, "(x+x+)+y", "(x+x+)+ can read"),
    (FULL, "(?:.*,)*P", "(?:.*,)* can read"),
    (FULL, "(?:ab|a|b)*c", "(?:ab|a|b)* can read"),
    (FULL, "(?:(?:a|b*)*c)*d", "(?:(?:a|b*)*c)* can read"),
    (FULL, "(?:a{0,100}){0,100}b", "can read"),
    (BEGINNING, "(a|aa)+$", "can read"),
    # Two repeats that can read the same.
    (FULL, r"^/(.*)/(.*)\.html$", ".* and .* can share"),
    (FULL, r"([\w-]+)-([\w-]+)\.html", r"[\w-]+ and [\w-]+ can share"),
    (FULL, "a*a*b", "a* and a* can share"),
    (FULL, "(?:ab|c)*(?:ab|c)*d", "can share"),
    (FULL, "(?:(?=.*x)a)*", "can share"),
    # One that is begun again and again.
    (SEARCH, "[a-z]+@", "[a-z]+ is tried from many characters of"),
    (SEARCH, r"(.*)\.php", ".* is tried from many characters of"),
    (SEARCH, "x(?:.*z)?", ".* is tried from many characters of"),
    (SEARCH, "/+$", "/+ is tried from many characters of"),
    # Many at once.
    (FULL, "(?:a?){30}a{30}", "steps may be needed for a single character"),
    (FULL, "(?:a{1,5}){1,5}b", "steps may be needed for a single character"),
    (FULL, "|".join(f"(?i:{letter}.*!)" for letter in "abcdef" * 20), "steps may be needed"),
)
UNKNOWN = (
    (r"(.*)\1", "it refers back to a group"),
    (".*a.{20}b", "parts that may be begun while others are open"),
    ("(?:a?|b?|c?){30}x", "too many ways to match nothing"),
    ("(?:a{60}){60}", "it has too many parts"),
    (r"(?<=(?:a|b|cd|ef){16}|a{32})", "it looks behind in too many ways"),
    (r"(?<=a(?=.*x))b", "it looks behind at more than characters"),
)


@pytest.mark.parametrize("text", FAST_WITH_PATHS)
def test_expressions_for_paths_that_people_write_are_fast(text: str) -> None:
    found = find_danger(text, FULL, 0, PATH_CHARACTERS, 8192)
    assert found is None, found.text


@pytest.mark.parametrize("text", FAST_SEARCHES)
def test_searches_that_people_write_are_fast(text: str) -> None:
    found = find_danger(text, SEARCH, 0, PATH_CHARACTERS, 8192)
    assert found is None, found.text


@pytest.mark.parametrize(("use", "text", "why"), SLOW)
def test_expressions_that_could_take_long_are_found(use: str, text: str, why: str) -> None:
    found = find_danger(text, use, 0, OCTETS, 8192)
    assert found is not None and why in found.text


def test_what_is_shown_may_have_to_be_behind_something() -> None:
    found = find_danger(r"^(.*)/crop/(.*)\.(.*)$", FULL, 0, PATH_CHARACTERS, 8192)
    assert found is not None and ".* and .* can share" in found.text and found.pump


@pytest.mark.parametrize(("text", "why"), UNKNOWN)
def test_expressions_of_which_nothing_can_be_told_count_as_slow(text: str, why: str) -> None:
    found = find_danger(text, FULL, 0, PATH_CHARACTERS, 8192)
    assert found is not None and why in found.text and found.pump == ""


def test_an_operator_that_is_not_known_counts_as_slow() -> None:
    builder = Builder()
    with pytest.raises(CantTell, match="nothing is known about NEW"):
        builder.sequence([("NEW", None)], 0, builder.state())


def test_an_analysis_that_takes_long_is_given_up() -> None:
    fields = "(?:(?:[ab]{60}c){1,9}d)*"
    found = find_danger(f"{fields}{fields.replace('d', 'e')}f", FULL, 0, "abcdef")
    assert found is not None and "parts that can read the same" in found.text


def test_an_expression_that_is_nested_deep_counts_as_slow() -> None:
    found = find_danger("(?:" * 300 + "a" + ")?" * 300, FULL, 0, "ab")
    assert found is not None and found.text == "it is nested too deep"


def test_what_a_dot_or_a_dollar_means_follows_from_the_flags() -> None:
    lines = "ab\n"
    assert find_danger(".*a.*", FULL, re.DOTALL, lines) is None
    assert find_danger(".*a.*", FULL, 0, lines) is not None
    assert find_danger("(?m)(?:^b*\\n?)*a", FULL, 0, lines) is None
    assert find_danger("(?m)(?:b*$\\n?)*a", FULL, 0, lines) is not None
    assert find_danger("(?:b*$)*a", SEARCH, 0, "ab") is not None


def test_letters_are_the_same_in_either_case_if_the_expression_says_so() -> None:
    assert find_danger("(?:ab|AB)*c", FULL, 0, OCTETS) is None
    assert find_danger("(?i)(?:ab|AB)*c", FULL, 0, OCTETS) is not None
    assert find_danger(r"(?i)(?:ka|\u212aa)*b", FULL) is not None
    assert find_danger(r"(?a)(?:\wa|éa)*b", FULL) is None
    assert find_danger(r"(?:\wa|éa)*b", FULL) is not None


def test_characters_of_which_an_expression_names_none_are_told_apart_by_what_they_are() -> None:
    assert find_danger(r"(?:\wa|\Wa)*b", FULL) is None
    assert find_danger(r"(?:\wa|[^a-z]a)*b", FULL) is not None
    assert find_danger(r"(?:\sa|[^\x00-\xff]a)*b", FULL) is not None
    assert find_danger(r"(?:\da|[^\x00-\xff]a)*b", FULL) is not None
    assert find_danger(r"(?:[0-9]a|[^\x00-\xff]a)*b", FULL) is None


def test_characters_that_an_expression_names_are_told_apart() -> None:
    assert find_danger("(?:жa|цa)*b", FULL) is None
    assert find_danger(r"(?:жa|\u0436a)*b", FULL) is not None
    assert find_danger("(?:😀a|😁a)*b", FULL) is None
    assert find_danger("(?:😀+)*b", FULL) is not None
    assert find_danger(r"(?:\U0001F648+)*b", FULL) is not None


@pytest.mark.parametrize(
    ("use", "text"), [(use, text) for use, text, _ in SLOW if use != BEGINNING]
)
def test_the_text_that_is_shown_takes_longer_the_longer_it_is(use: str, text: str) -> None:
    found = find_danger(text, use, 0, OCTETS, 8192)
    assert found is not None
    if not found.pump:
        return
    taken = [grown(text, found, times, use) for times in (6, 12, 24)]
    assert taken[2] - taken[1] > 2.5 * (taken[1] - taken[0]) > 0


def grown(text: str, found: Danger, times: int, use: str) -> int:
    """Returns the most steps that some text with so many pumps takes."""
    pump = found.pump
    turned = {pump[at:] + pump[:at] for at in range(len(pump))}
    most = 0
    for before, again, after in product(("", "/"), sorted(turned), ("", "!", "x!")):
        said = before + again * times + after
        try:
            most = max(most, steps(text, said, search=use == SEARCH, most=10_000))
        except TooMany:
            return times**3 * 100
    return most


def expressions() -> st.SearchStrategy[str]:
    """Expressions over a and b."""
    single = st.sampled_from(["a", "b", "[ab]", ".", "[^a]"])
    quantifiers = st.sampled_from(["*", "+", "?", "*?", "+?", "*+", "{2}", "{1,3}", "{2,}"])

    def more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("{}{}".format, inner, inner),
            st.builds("(?:{}|{})".format, inner, inner),
            st.builds("(?:{}){}".format, inner, quantifiers),
            st.builds("(?>{})".format, inner),
            st.builds("(?={}){}".format, inner, inner),
            st.builds("(?!{}){}".format, inner, inner),
        )

    return st.recursive(single, more, max_leaves=7)


@settings(max_examples=60, deadline=None)
@given(expressions(), st.sampled_from([FULL, SEARCH]))
def test_what_is_called_fast_takes_as_many_steps_as_there_are_characters(
    text: str, use: str
) -> None:
    if find_danger(text, use, 0, "abc") is not None:
        return
    for pump in ("a", "b", "ab", "aab", "abb", "ba"):
        for after in ("", "c"):
            taken = [
                steps(text, pump * (length // len(pump)) + after, search=use == SEARCH)
                for length in (60, 120)
            ]
            assert taken[1] < 2.3 * taken[0] + 300
