"""Bytes to messages: any formatting, any garbage between, any chunking."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from l7proxy.core.config.strict_json import decode_json
from l7proxy.envelope.framing import DEFAULT_LIMIT, Framer


class Heard:
    """A framer, what it made of its input, and what it complained of."""

    def __init__(self, limit: int = DEFAULT_LIMIT, buffer: bytearray | None = None) -> None:
        self.messages: list[Any] = []
        self.lines: list[int] = []
        self.complaints: list[str] = []
        self.framer = Framer(
            lambda text: decode_json(text)[0], self._message, self._broken, limit, buffer
        )

    def _message(self, value: Any, text: bytes, line: int) -> None:
        assert json.loads(text) == value
        self.messages.append(value)
        self.lines.append(line)

    def _broken(self, text: str, line: int) -> None:
        self.complaints.append(f"line {line}: {text}")


def hear(*chunks: bytes, limit: int = DEFAULT_LIMIT) -> Heard:
    heard = Heard(limit)
    for chunk in chunks:
        heard.framer.feed(chunk)
    heard.framer.close()
    return heard


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, cut at these places (taken modulo its length)."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
bodies = st.dictionaries(st.sampled_from('abcé{}[]"\\') | st.text(max_size=5), anything, max_size=4)
messages = st.builds(lambda body: {"src": "c", "dest": "n", "body": body}, bodies)
cuts = st.lists(st.integers(0, 5000), max_size=12)


@st.composite
def written(draw: st.DrawFn, message: Any) -> bytes:
    """The message in some formatting: compact, spaced, pretty with any indent."""
    indent = draw(st.sampled_from([None, 0, 1, 2, 4, "\t"]))
    separators = draw(st.sampled_from([None, (",", ":"), (" , ", " : ")]))
    text = json.dumps(
        message, indent=indent, separators=separators, ensure_ascii=draw(st.booleans())
    )
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode("utf-8", "replace")


def is_garbage(line: bytes) -> bool:
    """Whether a line, as it stands, is not a JSON object."""
    try:
        return not isinstance(decode_json(line)[0], dict)
    except ValueError:
        return True


pieces_of_json = st.lists(
    st.sampled_from(
        [b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b'"src"', b'"body"', b"1", b" ", b"nul"]
    ),
    max_size=12,
).map(b"".join)
garbage_lines = (
    (st.binary(max_size=30) | pieces_of_json)
    .map(lambda line: line.replace(b"\n", b"").replace(b"\r", b""))
    .filter(is_garbage)
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Any], bytes]:
    """Good messages, and a stream of them with garbage lines between."""
    good = draw(st.lists(messages, max_size=4))
    stream = b""
    for message in good:
        for line in draw(st.lists(garbage_lines, max_size=3)):
            stream += line + draw(st.sampled_from([b"\n", b"\r\n"]))
        stream += draw(written(message))
        stream += draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \t\n"]))
    stream += b"".join(line + b"\n" for line in draw(st.lists(garbage_lines, max_size=2)))
    return good, stream


@given(conversations(), cuts)
def test_garbage_lines_never_change_what_the_good_messages_are(
    conversation: tuple[list[Any], bytes], places: list[int]
) -> None:
    good, stream = conversation
    # Garbage lines that make an object together, such as { and }, have no src to be answered.
    heard = [message for message in hear(*cut(stream, places)).messages if "src" in message]
    assert heard == good


@given(st.lists(messages, max_size=5), st.data(), cuts)
def test_messages_may_stand_one_behind_another(
    good: list[Any], data: st.DataObject, places: list[int]
) -> None:
    between = st.sampled_from([b"", b" ", b"\n", b"\r\n", b"\t"])
    stream = b"".join(data.draw(written(message)) + data.draw(between) for message in good)
    heard = hear(*cut(stream, places))
    assert heard.messages == good
    assert heard.complaints == []


@given(st.binary(max_size=200) | pieces_of_json, cuts)
def test_nothing_upsets_it(data: bytes, places: list[int]) -> None:
    whole, chopped = hear(data), hear(*cut(data, places))
    assert whole.messages == chopped.messages


MESSAGE = b'{"src": "c", "body": {"n": 1}}'
VALUE = {"src": "c", "body": {"n": 1}}
PRETTY = b'{\n  "src": "c",\n  "body": {\n    "n": 1\n  }\n}'


@pytest.mark.parametrize("garbage", [
    b"{",
    b"[",
    b'{"src": "c", "body": {',
    b'{"src": "c", "body": [',
    b'{"src": "c", "bod',
    b'{"a": "\\',
    b"}",
    b'"',
    b"{]",
    b"[[[[{{{{",
    b"{" * 300,
    b'{"a": {' * 300,
    b"\xff\xfe{",
    b"hello {",
    b"NaN",
    b"null",
    b"[1, 2]",
])  # fmt: skip
@pytest.mark.parametrize("message", [MESSAGE, PRETTY], ids=["compact", "pretty"])
def test_a_line_that_opens_what_it_does_not_close_swallows_nothing(
    garbage: bytes, message: bytes
) -> None:
    heard = hear(garbage + b"\n" + message + b"\n" + message + b"\n")
    assert heard.messages == [VALUE, VALUE]
    assert heard.complaints != []


def test_an_envelope_inside_an_envelope_is_only_a_part_of_it() -> None:
    outer = {"src": "c", "body": {"inner": VALUE}}
    assert hear(json.dumps(outer).encode()).messages == [outer]


def test_an_envelope_that_starts_a_line_counts_because_what_is_open_may_be_broken() -> None:
    assert hear(b'{"src": "c", "body": [\n' + MESSAGE + b"\n]}\n").messages == [VALUE]


def test_blank_lines_a_mark_at_the_start_and_a_missing_last_newline_are_all_fine() -> None:
    heard = hear(b"\xef\xbb\xbf\r\n\n" + MESSAGE + b"\r\n \t \n" + MESSAGE)
    assert heard.messages == [VALUE, VALUE]
    assert heard.complaints == []


def test_a_mark_directly_before_a_message_is_fine_in_any_chunking() -> None:
    data = b"\xef\xbb\xbf" + PRETTY + b"\n"
    for at in range(len(data)):
        heard = hear(data[:at], data[at:])
        assert (heard.messages, heard.complaints) == ([VALUE], [])


@pytest.mark.parametrize(("data", "complaint"), [
    (b"hello\n", "line 1: not a JSON object: 'hello'"),
    (b"\n\nhello", "line 3: not a JSON object: 'hello'"),
    (b"[1]\n", "line 1: not a JSON object: '[1]'"),
    (b'{"a": NaN}\n', "line 1: not usable JSON: NaN is not a JSON value"),
    (b'{"a": -Infinity}\n', "line 1: not usable JSON: -Infinity is not a JSON value"),
    (b'{"a": "\xff"}\n', "line 1: not UTF-8: byte 7 is 0xff"),
    (b'{"a" 1}\n', "line 1: not JSON: Expecting ':' delimiter (line 1, column 6)"),
    (b'{"a": [}\n', "line 1: } does not close ["),
    (b'{"a": "x\n', "line 1: a line end or control character inside a string"),
    (b'{\n"a":\n', "line 1: the input ended inside a message"),
    (b'{"a":' * 201 + b"\n", "line 1: nested more than 200 deep"),
])  # fmt: skip
def test_each_broken_message_gets_one_line_that_says_why(data: bytes, complaint: str) -> None:
    assert hear(data).complaints == [complaint]


def test_a_hundred_thousand_brackets_are_one_complaint() -> None:
    deep = b'{"src": "c", "body": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    heard = hear(deep + MESSAGE + b"\n")
    assert heard.messages == [VALUE]
    assert heard.complaints == ["line 1: nested more than 200 deep"]


def test_an_integer_too_long_to_convert_is_one_complaint() -> None:
    heard = hear(b'{"src": "c", "body": {"n": ' + b"9" * 5000 + b"}}\n" + MESSAGE)
    assert heard.messages == [VALUE]
    assert len(heard.complaints) == 1
    assert "line 1: not usable JSON: " in heard.complaints[0]


@pytest.mark.parametrize("chunk", [10_000, 64, 7])
@pytest.mark.parametrize("large", [
    b'{"src": "c", "body": "' + b"x" * 2000 + b'"}',
    b'{\n"src": "c",\n"body":' + b"[1],\n" * 400 + b"}",
    b"x" * 2000,
    b"[" + b"1," * 1000 + b"1]",
], ids=["string", "lines", "garbage", "array"])  # fmt: skip
def test_what_is_too_large_is_dropped_and_the_next_message_is_not(large: bytes, chunk: int) -> None:
    data = large + b"\n" + MESSAGE + b"\n"
    heard = hear(*(data[at : at + chunk] for at in range(0, len(data), chunk)), limit=1000)
    assert heard.messages == [VALUE]
    assert len(heard.complaints) >= 1


def test_a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert hear(MESSAGE + b"\n", limit=len(MESSAGE)).messages == [VALUE]
    assert hear(MESSAGE + b"\n", limit=len(MESSAGE) - 1).messages == []
    assert hear(PRETTY + b"\n", limit=len(PRETTY)).messages == [VALUE]
    assert hear(PRETTY + b"\n", limit=len(PRETTY) - 1).messages == []


def test_the_buffer_does_not_grow_while_an_endless_line_is_dropped() -> None:
    buffer = bytearray()
    heard = Heard(limit=1000, buffer=buffer)
    for _ in range(100):
        heard.framer.feed(b"x" * 1000)
        assert len(buffer) <= 2000
    heard.framer.feed(b"\n" + MESSAGE + b"\n")
    assert heard.messages == [VALUE]
    assert len(heard.complaints) == 1


def test_lines_are_counted_over_messages_garbage_and_blank_lines() -> None:
    heard = hear(b"\n" + PRETTY + b"\n{\n" + MESSAGE + b"\n\nx\n" + MESSAGE)
    assert heard.lines == [2, 9, 12]


@given(conversations(), cuts, st.integers(1, 120))
def test_what_is_too_large_does_not_depend_on_how_the_stream_is_cut(
    conversation: tuple[list[Any], bytes], places: list[int], limit: int
) -> None:
    _, stream = conversation
    whole, chopped = hear(stream, limit=limit), hear(*cut(stream, places), limit=limit)
    assert (whole.messages, whole.lines) == (chopped.messages, chopped.lines)


@pytest.mark.parametrize("before", [b"{", b'{"src": "c", "body": [', b"[", b'{"a": {\n{\n{'])
@pytest.mark.parametrize("message", [MESSAGE, PRETTY], ids=["compact", "pretty"])
def test_a_message_of_exactly_the_limit_passes_in_single_bytes_and_behind_broken_ones(
    before: bytes, message: bytes
) -> None:
    data = before + b"\n" + message + b"\n" + message + b"\n"
    single = [data[at : at + 1] for at in range(len(data))]
    for chunks in ([data], single):
        assert hear(*chunks, limit=len(message)).messages == [VALUE, VALUE]
        assert hear(*chunks, limit=len(message) - 1).messages == []


def test_of_what_is_open_only_that_is_dropped_which_is_too_large() -> None:
    heard = hear(b'{"a": "' + b"x" * 100 + b'",\n', PRETTY, limit=len(PRETTY))
    assert heard.messages == [VALUE]
    assert heard.lines == [2]
    assert heard.complaints[0] == f"line 1: larger than {len(PRETTY)} bytes"


class Counting(bytearray):
    """A buffer that counts the bytes in which line ends were looked for."""

    looked_at = 0

    def count(self, what: Any, start: Any = 0, end: Any = None) -> int:
        self.looked_at += (len(self) if end is None else end) - start
        return super().count(what, start, end)

    def find(self, what: Any, start: Any = 0, end: Any = None) -> int:
        self.looked_at += (len(self) if end is None else end) - start
        return super().find(what, start, end)


def test_lines_are_counted_once_however_many_objects_start_one() -> None:
    buffer = Counting()
    heard = Heard(buffer=buffer)
    data = b'{"a": [\n' + b"{},\n" * 5_000 + b"{}]}\n"
    heard.framer.feed(data)
    assert len(heard.messages) == 1
    assert buffer.looked_at <= 2 * len(data)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n{\n"], ids=["concatenated", "lines", "broken"])
@pytest.mark.parametrize("message", [PRETTY, MESSAGE + MESSAGE], ids=["pretty", "two"])
def test_what_is_not_one_message_a_line_is_not_split_again_after_each(
    message: bytes, end: bytes
) -> None:
    split = 0

    def count_split(frame: object, event: str, called: Any) -> None:
        nonlocal split
        if event == "c_call" and called.__name__ == "split":
            split += len(called.__self__)

    data = (message + end) * 1000
    sys.setprofile(count_split)
    try:
        heard = hear(data)
    finally:
        sys.setprofile(None)
    assert len(heard.messages) == 1000 * message.count(b'"src"')
    assert split <= 20 * len(data)


LONG = b'"' + b"x" * 300 + b'"'
WHOLE = b'{"src": "c", "body": {"a": %s}}' % LONG


@pytest.mark.parametrize(("inner", "is_good"), [
    (b'{"a": %s}' % LONG, True),
    (b'{"a":\n{"b": %s}}' % LONG, True),
    (b'{"a":\n{"b": %s}, "c":\n{"d": %s}}' % (LONG, LONG), True),
    (b'{"a": %s, tru}' % LONG, False),
    (b'{"a":\n{"b": %s, tru}}' % LONG, False),
])  # fmt: skip
def test_an_envelope_counts_whatever_objects_start_lines_in_it_if_they_are_json(
    inner: bytes, is_good: bool
) -> None:
    envelope = b'{"src": "c", "body":\n%s}' % inner
    for data in (envelope, b"{\n" + envelope, b'{"a": [\n%s,\n%s' % (inner, envelope)):
        for step in (1, 7, len(data)):
            heard = hear(*(data[at : at + step] for at in range(0, len(data), step)), b"\n", WHOLE)
            found = [json.loads(envelope)] if is_good else []
            assert heard.messages == [*found, json.loads(WHOLE)]


def test_what_is_refused_inside_is_known_when_what_was_around_it_has_been_dropped() -> None:
    outer, inner = b'{"%s":\n' % (b"x" * 400), b'{"a":\n{"b": %s}}' % LONG
    envelope = b'{"src": "c", "body":\n%s, "more": %s}' % (inner, LONG)
    heard = hear(outer + b'{"c":\n' + envelope, limit=len(envelope) + 100)
    assert heard.messages == [json.loads(envelope)]
    assert len(heard.complaints) == 2


def test_objects_inside_each_other_are_read_twice_at_most() -> None:
    read = 0

    def decode(text: bytes) -> Any:
        nonlocal read
        read += len(text)
        return decode_json(text)[0]

    messages: list[Any] = []
    framer = Framer(decode, lambda value, text, line: messages.append(value), print)
    data = b'\n{"a":' * 198 + b'"' + b"x" * 100_000 + b'"' + b"}" * 198
    framer.feed(data)
    assert len(messages) == 1
    assert read < 3 * len(data)


@pytest.mark.parametrize("limit", [100, DEFAULT_LIMIT])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"x"], ids=["", "mark", "garbage"])
@pytest.mark.parametrize("fill", [b" ", b"\t", b"\r", b"x"])
def test_what_has_no_line_end_is_looked_at_once_and_said_once(
    fill: bytes, start: bytes, limit: int
) -> None:
    buffer = Counting()
    heard = Heard(limit, buffer)
    for data in (start, *[fill * 10] * 1000):
        heard.framer.feed(data)
    assert buffer.looked_at <= 30_000
    assert len(buffer) <= (limit + 10 if b"x" in fill + start else 4)
    heard.framer.feed(b"x\n" + MESSAGE)
    heard.framer.close()
    assert len(heard.messages) == 1
    shown = (fill * 1000).decode().lstrip() + "x"
    if start == b"x":
        shown = ("x" + (fill * 1000).decode() + "x")[:60].strip()
    assert heard.complaints == [f"line 1: not a JSON object: {shown[:60]!r}"]


@example(1)
@given(st.integers(1, 50))
def test_a_long_message_in_small_chunks_is_scanned_once(step: int) -> None:
    big = {"src": "c", "body": {"text": ['{"' * 50] * 20, "n": list(range(200))}}
    data = json.dumps(big, indent=1).encode()
    heard = hear(*(data[at : at + step] for at in range(0, len(data), step)))
    assert heard.messages == [big]
