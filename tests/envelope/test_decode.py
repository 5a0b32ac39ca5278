"""The decoder with msgspec decides as the reference does, about good texts and bad ones."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config.strict_json import NotJson
from l7proxy.envelope.decode import EnvelopeDecoder, decode_envelope, msgspec_decoder

pytest.importorskip("msgspec")


def decided(decode: Any, text: bytes) -> Any:
    """What comes out, with the keys written twice, or the words of the refusal."""
    try:
        value = decode(text)
    except NotJson as error:
        return str(error)
    return repr(value), getattr(value, "repeated", ())


def fast() -> EnvelopeDecoder:
    decode = EnvelopeDecoder(warm_up=1)
    decode(b"{}")
    return decode


FAST = fast()

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
texts = st.one_of(
    st.builds(lambda value: json.dumps(value).encode(), values),
    st.builds(lambda value: json.dumps(value, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"), values),
    st.binary(max_size=30),
    st.text(alphabet='{}[]":,\\u0d8abe1-. \ntrufalsn\ufeff', max_size=40).map(str.encode),
)  # fmt: skip


@given(texts)
def test_with_msgspec_and_without_the_same_is_decided(text: bytes) -> None:
    assert decided(FAST, text) == decided(decode_envelope, text)


@pytest.mark.parametrize("text", [
    b'{"src": "a", "src": "b"}',
    b'{"body": {"x": 1, "x": 2}}',
    b'{"a": ":", "a": 1}',
    b'{"a": "\\u003a", "a": 1}',
    b'{"src": "\\u003A", "body": {"headers": {"X": "\\u003a", "X": "1", "Y": ":"}}}',
    b'{"src": "\\u00e9:", "body": {"headers": {"X": "\\u00e9", "Y": ":"}}}',
    b"[" * 201 + b"]" * 201,
    b"1" * 5000,
    b"1e400",
    b"NaN",
    b'"\\ud800"',
    b'\xef\xbb\xbf{"a": 1}',
    b"\xff",
    b"",
    b'{"a": 1} x',
])  # fmt: skip
def test_the_odd_ones_are_decided_the_same(text: bytes) -> None:
    assert decided(FAST, text) == decided(decode_envelope, text)


def test_the_common_case_is_msgspecs_after_the_warm_up() -> None:
    found, calls = msgspec_decoder(), list[bytes]()
    assert found is not None

    def counted(text: bytes) -> Any:
        calls.append(text)
        return found(text)

    decode = EnvelopeDecoder(warm_up=2, find_fast=lambda: counted)
    line = b'{"src": "c", "dest": "p", "body": {"type": "http_request", "path": "/"}}'
    assert [(decode(line), len(calls)) for _ in range(4)] == [
        (json.loads(line), count) for count in (0, 0, 1, 2)
    ]


def test_without_msgspec_the_reference_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec.json", None)
    assert msgspec_decoder() is None
    decode = EnvelopeDecoder(warm_up=1)
    for _ in range(2):
        assert decode(b'{"a": 1}') == {"a": 1}
