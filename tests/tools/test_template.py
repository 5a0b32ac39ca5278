"""What the page of a replay is made of, whatever stands in the report."""

from __future__ import annotations

import pytest

from l7proxy.tools.page import page
from l7proxy.tools.template import Html, fill, joined
from tests.tools.replays import played, request


def test_the_page_stands_alone() -> None:
    made, metrics = played([*(request(n, "/api/<x>") for n in range(20)), request(20, "/web/x")])
    made["notes"] = [{"at": 1, "text": "<b>"}]
    text = page(made, metrics, "a <title>")
    assert "<script" not in text and "http://" not in text and "https://" not in text
    assert "default-src 'none'" in text
    assert "a &lt;title&gt;" in text and "&lt;b&gt;" in text
    for plot in ("requests", "in-flight", "states"):
        assert f'data-plot="{plot}"' in text


def test_a_page_of_nothing_is_a_page() -> None:
    made, metrics = played([])
    assert "0</b>requests" in page(made, metrics, "nothing")


def test_values_are_escaped_unless_they_are_html_already() -> None:
    made = fill("card", value="<b>", name=Html("<i>"))
    assert made.text == "<div><b>&lt;b&gt;</b><i></div>"
    assert joined([made, made], " ").text == f"{made.text} {made.text}"


def test_a_part_is_filled_in_all_of_its_places() -> None:
    with pytest.raises(KeyError):
        fill("card", value="1")
