"""Envelopes, which stay what they are."""

from __future__ import annotations

import json

import pytest

from l7proxy.tools.formats import (
    BadLine,
    Traffic,
    envelopes,
)


def test_envelopes_are_taken_as_they_are() -> None:
    line = '{"src": "c", "at": 2.5, "body": {"type": "status"}}'
    ((_, envelope),) = Traffic([line]).envelopes()
    assert envelope == json.loads(line)


@pytest.mark.parametrize(("line", "why"), [
    ("{", "not JSON"),
    ("[" * 100_000, "not JSON"),
    ("[]", "needs a body"),
    ('{"src": "a"}', "needs a body"),
    ('{"body": {}}', "needs a src"),
    ('{"src": "a", "at": "x", "body": {}}', "at must be"),
])  # fmt: skip
def test_what_is_no_envelope_is_said(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        envelopes.read(line)
