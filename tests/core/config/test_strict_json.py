"""JSON as RFC 8259 has it: what is refused, which keys are repeated, and at what cost."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config.strict_json import (
    DEEPEST,
    STRING_OR_BRACKET,
    JsonObject,
    NotJson,
    decode_json,
    nesting,
    repeated_keys,
)

keys = st.sampled_from(["a", "b", ":", '":', " :", '\\"', "é", "\n:", ""])
scalars = st.none() | st.booleans() | st.integers() | keys


class Members(list[tuple[str, Any]]):
    """An object as it is written, so that keys may be there twice."""


written = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(st.tuples(keys, inner), max_size=4).map(Members)
    ),
    max_leaves=10,
)
blanks = st.sampled_from(["", " ", "\n", "\t", "\r", "  "])


def text_of(value: Any, draw: st.DrawFn) -> str:
    if isinstance(value, Members):
        parts = (
            draw(blanks) + json.dumps(key) + draw(blanks) + ":" + text_of(item, draw)
            for key, item in value
        )
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text_of(item, draw) for item in value) + "]"
    return draw(blanks) + json.dumps(value) + draw(blanks)


@st.composite
def texts(draw: st.DrawFn) -> str:
    return text_of(draw(written), draw)


def in_turn(pairs: list[tuple[str, Any]], found: list[str]) -> dict[str, Any]:
    made = dict(pairs)
    found += [key for key in made if sum(other == key for other, _ in pairs) > 1]
    return made


@given(texts())
def test_the_value_is_that_of_json_and_each_repeated_key_is_named(text: str) -> None:
    found: list[str] = []
    value = json.loads(text, object_pairs_hook=lambda pairs: in_turn(pairs, found))
    assert decode_json(text) == (value, found)
    assert decode_json(text.encode()) == (value, found)


@given(st.text() | st.text('{}[]":,1eE+-. \n\\u0aN', max_size=12))
def test_what_json_refuses_is_refused_with_the_same_words(text: str) -> None:
    try:
        expected = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        expected = f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
    except ValueError:
        return
    try:
        given = decode_json(text.encode("utf-8", "surrogatepass"))[0]
    except NotJson as error:
        given = str(error)
    if "NaN" not in text and "not UTF-8" not in str(given):
        assert given == expected


@pytest.mark.parametrize(("text", "problem"), [
    ('{"a": NaN}', "not usable JSON: NaN is not a JSON value"),
    ("-Infinity", "not usable JSON: -Infinity is not a JSON value"),
    ("{} {}", "not JSON: Extra data (line 1, column 4)"),
    ("", "not JSON: Expecting value (line 1, column 1)"),
    (b'{"a": "\xff"}', "not UTF-8: byte 7 is 0xff"),
    ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), f"nested more than {DEEPEST} deep"),
])  # fmt: skip
def test_what_is_refused_says_why_and_where(text: str | bytes, problem: str) -> None:
    with pytest.raises(NotJson) as caught:
        decode_json(text)
    assert str(caught.value) == problem


def test_blanks_and_a_mark_before_it_are_no_part_of_the_value() -> None:
    assert decode_json(b'\xef\xbb\xbf {"a": 1}\r\n') == ({"a": 1}, [])
    assert decode_json('{"a": 1}\r\n') == ({"a": 1}, [])


def test_each_object_knows_its_own_repeated_keys() -> None:
    value, repeated = decode_json('{"a": {"b": 1, "c": 2, "b": 3}, "d": {"e": 4}}')
    assert repeated == ["b"]
    assert isinstance(value, JsonObject)
    assert (value.repeated, value["a"].repeated, value["d"].repeated) == ((), ("b",), ())


def test_usual_texts_with_colons_are_decoded_only_once() -> None:
    value = {"a": "http://b:80/", "c": [{"d": "e:"}, {}, "e::f"], "g:": {"h": "12:00"}}
    layouts = (None, (",", ":"), (" , ", " : "))
    texts = [json.dumps(value, separators=layout) for layout in layouts]
    for text in (*texts, json.dumps(value, indent=2)):
        decoded, repeated = decode_json(text)
        assert (decoded, repeated) == (value, [])
        # Decoded again, with care, it would be a JsonObject.
        assert type(decoded) is dict and type(decoded["g:"]) is dict


class CountedKey(str):
    """A key that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedKey.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_each_key_is_compared_a_few_times_however_many_there_are() -> None:
    pairs = [(CountedKey(number % 5000), None) for number in range(10_000)]
    assert len(repeated_keys(pairs)) == 5000
    assert CountedKey.compared < 10 * len(pairs)


def test_a_text_that_never_closes_is_matched_once_from_its_quote_to_its_end() -> None:
    hostile = "{" * (DEEPEST + 1) + '"' + '\\"' * 10_000
    found = [match.span() for match in re.finditer(STRING_OR_BRACKET, hostile)]
    assert found[-1] == (DEEPEST + 1, len(hostile))
    assert len(found) == DEEPEST + 2


@pytest.mark.parametrize("inside", ["x", '\\"', "x\\n"])
def test_looking_for_brackets_beside_a_large_text_takes_no_more_memory_than_the_text(
    inside: str,
) -> None:
    large = '["' + inside * 300_000 + '",' + "[]," * DEEPEST + "1]"
    tracemalloc.start()
    try:
        assert nesting(large) == 2
        assert tracemalloc.get_traced_memory()[1] <= 2 * len(large) + 100_000
    finally:
        tracemalloc.stop()
