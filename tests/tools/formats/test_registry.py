"""How a format is told, and what it has no use for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7proxy.tools.formats import (
    Traffic,
    UnknownFormat,
)
from l7proxy.tools.formats.detection import recognise
from tests.tools.formats.logs import (
    COMBINED,
    HAPROXY,
    HAR,
)


@pytest.mark.parametrize(("name", "said", "why"), [
    ("combined", {"mapping": ["path=p"]}, '--map .* the format is "combined"'),
    ("har", {"mapping": ["path=p"]}, '--map .* the format is "har"'),
    ("json", {"captures": ["Host"]}, '--captures .* the format is "json"'),
])  # fmt: skip
def test_what_the_format_has_no_use_for_is_refused(name: str, said: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Traffic([], name, **said)


@pytest.mark.parametrize(("first", "name"), [
    ([], "envelopes"),
    (["garbage", COMBINED], "combined"),
    ([HAPROXY], "haproxy"),
    (["{", ' "log": {'], "har"),
    ([json.dumps(HAR)], "har"),
    (['{"src": "a", "body": {}}'], "envelopes"),
    (['{"src": "a", "bo'], "envelopes"),
])  # fmt: skip
def test_the_format_is_told_from_the_first_lines(first: list[str], name: str) -> None:
    assert recognise(first).format.name == name


def test_an_unknown_format_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UnknownFormat, match="--format"):
        Traffic(["time,client,path"])
