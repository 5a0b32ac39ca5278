"""Lines in order of time, and lines that are skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.tools.formats import (
    FORMATS,
    Traffic,
    Unreadable,
)
from tests.tools.formats.logs import (
    CADDY,
    COMBINED,
    ENVOY,
    HAPROXY,
    HAR,
    NGINX,
    TRAEFIK,
)


def test_bad_lines_are_counted_and_the_first_five_are_kept() -> None:
    traffic = Traffic([COMBINED, *(f"garbage {n}" for n in range(7)), COMBINED, "\n"])
    assert len(list(traffic.requests())) == 2
    assert traffic.bad == 7
    assert [(number, text) for number, _, text in traffic.shown] == [
        (number, f"garbage {number - 2}") for number in range(2, 7)
    ]


def test_strict_refuses_the_first_bad_line() -> None:
    with pytest.raises(Unreadable, match="line 2: not a line of a combined access log: garbage"):
        list(Traffic([COMBINED, "garbage"], strict=True).requests())


def test_lines_in_the_order_of_their_ends_become_requests_in_the_order_of_their_starts() -> None:
    lines = [COMBINED.replace(":36 ", f":{second:02} ") for second in (3, 1, 2, 1)]
    assert [(number, at) for number, at, _ in Traffic(lines).requests()] == [
        (2, 0.0),
        (4, 0.0),
        (3, 1.0),
        (1, 2.0),
    ]


def test_time_never_runs_backwards_however_late_a_line_comes() -> None:
    lines = [COMBINED.replace(":36 ", ":30 ")] * 1500 + [COMBINED.replace(":36 ", ":10 ")]
    assert {at for _, at, _ in Traffic(lines).requests()} == {0.0}


@pytest.mark.parametrize("name", FORMATS)
@given(line=st.text())
def test_no_line_whatever_brings_a_reader_down(name: str, line: str) -> None:
    found: list[Any] = played(name, line)
    assert len(found) <= 1


NEEDED: dict[str, dict[str, Any]] = {
    "pattern": {"pattern": r"\[(?P<time>[^\]]*)\] \"(?P<request>[^\"]*)\" (?P<status>\d*)"},
    "log-format": {
        "log_format": '$remote_addr - $remote_user [$time_local] "$request" $status '
        '$body_bytes_sent "$http_referer" "$http_user_agent"'
    },
}
"""What has to be said about the formats that are of one's own."""


def played(name: str, line: str) -> list[Any]:
    """What the traffic in this one line is, in the format of that name."""
    traffic = Traffic([line], name, as_logged=True, **NEEDED.get(name, {}))
    try:
        return list(traffic.requests() if traffic.is_log else traffic.envelopes())
    except Unreadable:
        return []


LOGS = Path(__file__).parent.joinpath("made_up").glob("*.log")
PIECES = st.sampled_from(
    [COMBINED, HAPROXY, *map(json.dumps, (NGINX, ENVOY, CADDY, TRAEFIK, HAR["log"]["entries"][0]))]
    + [
        log.read_text("utf-8", "replace").splitlines()[-1]
        for log in sorted(LOGS)
        if not log.stem.startswith("har")
    ]
)


@pytest.mark.parametrize("name", FORMATS)
@given(line=PIECES, cut=st.tuples(st.integers(0, 200), st.integers(0, 40)), put=st.text(max_size=9))
def test_nor_does_a_good_line_that_was_damaged(
    name: str, line: str, cut: tuple[int, int], put: str
) -> None:
    start, length = cut
    assert len(played(name, line[:start] + put + line[start + length :])) <= 1


SECONDS = [COMBINED.replace(":36 ", f":{second:02} ") for second in range(6)]


def merged(files: list[tuple[str, list[str]]], **said: Any) -> Traffic:
    """The traffic of several files."""
    (name, lines), *more = files
    return Traffic(lines, name=name, more=more, **said)


def test_files_are_put_together_in_order_of_time_whichever_way_they_are_named() -> None:
    files = [("new.log", SECONDS[3:5]), ("old.log", SECONDS[:3]), ("other.log", SECONDS[1:6:4])]
    traffic = merged(files)
    found = [(traffic.place(number), at) for number, at, _ in traffic.requests()]
    assert found == [
        ("old.log:1", 0.0),
        ("old.log:2", 1.0),
        ("other.log:1", 1.0),
        ("old.log:3", 2.0),
        ("new.log:1", 3.0),
        ("new.log:2", 4.0),
        ("other.log:2", 5.0),
    ]
    assert traffic.format == "combined"


def test_each_file_may_have_a_format_of_its_own() -> None:
    traffic = merged([("a", [COMBINED]), ("b", ["garbage", HAPROXY])])
    assert [traffic.place(number) for number, _, _ in traffic.requests()] == ["a:1", "b:2"]
    assert traffic.format == "combined, haproxy"
    assert [traffic.place(number) for number, _, _ in traffic.shown] == ["b:1"]
    assert traffic.doubts == ["b: read as haproxy, which fits 1 of the first 2 lines"]


def test_recordings_are_played_one_after_the_other() -> None:
    one, two = (json.dumps({"src": name, "at": 1, "body": {}}) for name in "ab")
    traffic = merged([("a", [one, one]), ("b", [two])])
    found = [(traffic.place(n), envelope["src"]) for n, envelope in traffic.envelopes()]
    assert found == [("a:1", "a"), ("a:2", "a"), ("b:1", "b")]


def test_envelopes_are_not_mixed_with_logs() -> None:
    with pytest.raises(ValueError, match=r"can't be mixed .* combined, envelopes"):
        merged([("a", [COMBINED]), ("b", ['{"src": "a", "body": {}}'])])


def test_of_several_files_the_one_that_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match=r"^b: no known format"):
        merged([("a", [COMBINED]), ("b", ["garbage"])])
    with pytest.raises(Unreadable, match=r"^b:2: not a line of a combined"):
        list(merged([("a", [COMBINED]), ("b", [COMBINED, "x"])], strict=True).requests())


def test_what_a_named_format_does_not_fit_may_look_like_another() -> None:
    assert Traffic([COMBINED], "haproxy").guess() == "combined"
    assert Traffic(["garbage"], "haproxy").guess() is None
    assert Traffic([COMBINED]).guess() is None
