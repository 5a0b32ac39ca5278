"""A message as a line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.envelope.encode import envelope_line

BODY = {"type": "x", "text": "é\n"}


@pytest.mark.parametrize(("at", "line"), [
    (None, '{"src": "lb", "dest": "c", "body": {"type": "x", "text": "\\u00e9\\n"}}\n'),
    (0, '{"src": "lb", "dest": "c", "at": 0, "body": {"type": "x", "text": "\\u00e9\\n"}}\n'),
    (1.5, '{"src": "lb", "dest": "c", "at": 1.5, "body": {"type": "x", "text": "\\u00e9\\n"}}\n'),
])  # fmt: skip
def test_a_message_is_one_line_of_ascii_with_its_time_where_it_has_one(
    at: float | None, line: str
) -> None:
    assert envelope_line("lb", "c", at, json.dumps(BODY)) == line


@given(st.text(), st.text())
def test_whatever_nodes_are_called_the_line_is_what_json_makes_of_it(src: str, dest: str) -> None:
    line = envelope_line(src, dest, None, json.dumps(BODY))
    assert line == json.dumps({"src": src, "dest": dest, "body": BODY}) + "\n"
