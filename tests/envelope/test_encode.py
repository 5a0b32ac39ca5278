"""A message as a line."""

from __future__ import annotations

import pytest

from l7proxy.envelope.encode import encode_envelope


@pytest.mark.parametrize(("at", "line"), [
    (None, b'{"src": "lb", "dest": "c", "body": {"type": "x", "text": "\\u00e9\\n"}}\n'),
    (0, b'{"src": "lb", "dest": "c", "at": 0, "body": {"type": "x", "text": "\\u00e9\\n"}}\n'),
    (1.5, b'{"src": "lb", "dest": "c", "at": 1.5, "body": {"type": "x", "text": "\\u00e9\\n"}}\n'),
])  # fmt: skip
def test_a_message_is_one_line_of_ascii_with_its_time_where_it_has_one(
    at: float | None, line: bytes
) -> None:
    assert encode_envelope("lb", "c", at, {"type": "x", "text": "é\n"}) == line
