"""What a format has no use for, and what it needs."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.tools.formats import Traffic


@pytest.mark.parametrize(("name", "said", "why"), [
    ("combined", {"mapping": ["path=p"]}, '--map .* the format is "combined"'),
    ("har", {"mapping": ["path=p"]}, '--map .* the format is "har"'),
    ("json", {"captures": ["Host"]}, '--captures .* the format is "json"'),
    ("w3c", {"pattern": "a"}, '--pattern .* the format is "w3c"'),
    ("pattern", {"pattern": "a", "log_format": "$a"}, '--log-format .* the format is "pattern"'),
    (None, {"pattern": "a", "log_format": "$a"}, '--pattern .* the format is "log-format"'),
    ("pattern", {}, "needs --pattern REGEX"),
    ("log-format", {}, "needs --log-format"),
    ("json", {"host": "a b"}, '--host: "a b" is not a host'),
    ("envelopes", {"host": "a"}, '--host is for logs, and the format is "envelopes"'),
])  # fmt: skip
def test_what_the_format_has_no_use_for_is_refused(name: str | None, said: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Traffic([], name, **said)


@pytest.mark.parametrize("details", [{"mapping": ["path=p"]}, {"captures": ["Host"]}])
def test_so_it_is_where_the_format_was_detected(details: Any) -> None:
    with pytest.raises(ValueError, match='the format is "envelopes"'):
        Traffic(['{"src": "a", "body": {}}'], **details)
