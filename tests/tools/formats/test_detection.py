"""How a format is told from the first lines."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from l7proxy.tools.formats import Traffic, UnknownFormat
from l7proxy.tools.formats.detection import LONGEST, SAMPLE, recognise
from tests.tools.formats.logs import COMBINED, HAPROXY, HAR, NGINX, TRAEFIK


@pytest.mark.parametrize(("first", "name"), [
    ([], "envelopes"),
    (["\n", " \n"], "envelopes"),
    (["garbage", COMBINED], "combined"),
    ([HAPROXY], "haproxy"),
    (["{", ' "log": {'], "har"),
    ([json.dumps(HAR)], "har"),
    (['{"src": "a", "body": {}}'], "envelopes"),
    (['{"src": "a", "bo'], "envelopes"),
    (["{" * LONGEST + "{"], "envelopes"),
])  # fmt: skip
def test_the_format_is_told_from_the_first_lines(first: list[str], name: str) -> None:
    assert recognise(first).format.name == name


@pytest.mark.parametrize(("lines", "name", "fits"), [
    ([COMBINED] * 2 + [HAPROXY] * 3, "haproxy", 3),
    ([COMBINED] * 3 + [HAPROXY] * 2 + ["garbage"], "combined", 3),
    ([json.dumps(NGINX)] + [json.dumps(TRAEFIK)] * 2, "traefik", 2),
    (['{"src": "a", "body": {}}'] * 2 + ["{}", "garbage"], "envelopes", 2),
])  # fmt: skip
def test_the_format_of_most_lines_is_that_of_all(lines: list[str], name: str, fits: int) -> None:
    found = recognise(lines)
    assert (found.format.name, found.fits, found.of) == (name, fits, len(lines))
    assert str(found) == f"{name}, which fits {fits} of the first {len(lines)} lines"


def test_a_named_format_is_looked_for_inside_of_what_is_around_the_lines() -> None:
    wrapped = [f"web-1  | {line}" for line in (COMBINED, HAPROXY, HAPROXY)]
    assert [each.name for each in recognise(wrapped, "combined").wrappings] == ["compose"]
    assert recognise(["garbage"], "combined").wrappings == ()


def test_an_unknown_format_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UnknownFormat, match=r"none of the first 1 lines .* --format"):
        Traffic(["time,client,path"])
    with pytest.raises(UnknownFormat, match=r"not known: when, what; .* --map"):
        Traffic(['{"when": 1, "what": "/"}'])


@pytest.mark.parametrize("line", [COMBINED, "garbage", "", json.dumps(NGINX), '{"src": "a", "bo'])
def test_no_more_lines_are_read_than_are_looked_at(line: str) -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for _ in range(200_000):
            read += 1
            yield f"{line}\n"

    try:
        Traffic(lines())
    except UnknownFormat:
        assert line == "garbage"
    assert read == SAMPLE == 50


def test_a_line_that_is_longer_than_any_of_a_log_has_no_say() -> None:
    longer = COMBINED.replace("/api/a", f"/{'a' * LONGEST}")
    assert recognise([longer, longer, HAPROXY]).format.name == "haproxy"
    with pytest.raises(UnknownFormat):
        recognise([longer])
