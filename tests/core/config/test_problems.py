"""Problems: each with its place, all of them at once, and lines that people can read."""

from __future__ import annotations

from l7proxy.core.config.problems import (
    LONGEST_WORD,
    MOST_KNOWN,
    MOST_SUGGESTIONS,
    ConfigError,
    Problem,
    Problems,
    json_type,
    pointer_to,
    suggestion,
)


def test_a_problem_and_an_error_read_as_lines() -> None:
    error = ConfigError([Problem("", "x"), Problem("/a", "y")])
    assert str(error) == "x\n/a: y"
    assert repr(error.problems[1]) == "/a: y"


def test_the_problems_of_a_part_are_put_under_its_place_in_the_whole() -> None:
    problems = (Problem("", "x"), Problem("/a", "y"), Problem("/b", "z", structural=False))
    below = [problem.under("/body") for problem in problems]
    assert list(map(str, below)) == ["/body: x", "/body/a: y", "/body/b: z"]
    assert [problem.structural for problem in below] == [True, True, False]


def test_a_pointer_escapes_what_would_end_a_key() -> None:
    assert pointer_to(pointer_to("", "a/b~c"), 3) == pointer_to("", "a/b~c", 3) == "/a~1b~0c/3"
    assert pointer_to("/a") == "/a"


def test_json_types_are_called_what_people_call_them() -> None:
    values: tuple[object, ...] = (None, False, "", 1, 1.5, [], {})
    assert [json_type(value) for value in values] == [
        "null", "a boolean", "a string", "a number", "a number", "an array", "an object",
    ]  # fmt: skip


def test_each_noun_has_its_own_names() -> None:
    problems = Problems()
    problems.refer("/a", "axle", "rear")
    problems.refer("/b", "pool", "rear")
    problems.define("pool", "rear")
    problems.resolve()
    assert list(map(str, problems.found)) == ['/a: no axle named "rear"']


def test_of_many_words_that_are_near_none_only_so_many_get_a_suggestion() -> None:
    problems = Problems()
    for number in range(2 * MOST_SUGGESTIONS):
        problems.define("pool", f"pool-{number}")
        problems.refer(f"/{number}", "pool", f"pool-{number}x")
    problems.resolve()
    suggested = ["did you mean" in str(problem) for problem in problems.found]
    assert suggested == [True] * MOST_SUGGESTIONS + [False] * MOST_SUGGESTIONS


def test_no_time_is_spent_on_what_is_near_a_long_word_or_among_very_many() -> None:
    long = "x" * LONGEST_WORD
    assert suggestion(long, [long + "x", long]) == f'; did you mean "{long}"?'
    assert suggestion(long + "x", [long]) == ""
    known = [f"{number}" for number in range(MOST_KNOWN)]
    assert suggestion("user", [*known[1:], "users"]) == '; did you mean "users"?'
    assert suggestion("user", [*known, "users"]) == ""
