"""The report's page, looked at by a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT
from tests.tools.browser import CHROMIUM, Browser
from tests.tools.here import run

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)"
)

REPORT = ROOT / "test-report"
SHOP = ROOT / "examples" / "shop"

PLOTS = """
[...document.querySelectorAll("[data-plot]")].map(plot => {
  const box = plot.getBoundingClientRect();
  const shapes = [...plot.querySelectorAll("path, rect")].map(shape => {
    const at = shape.getBoundingClientRect(), style = getComputedStyle(shape);
    const colour = shape.tagName == "path" ? style.stroke : style.fill;
    return {width: at.width, height: at.height, colour};
  });
  return {kind: plot.dataset.plot, width: box.width, height: box.height, shapes};
})
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page") / "report.html"
    log = ROOT / "examples" / "access.log"
    done = run("replay", log, "--config", SHOP / "config.json", "--html", made)
    assert (done.status, done.err) == (0, "")
    return made


@pytest.mark.parametrize("width", [1100, 390], ids=["desk", "phone"])
def test_every_plot_has_something_in_it_and_nothing_leaves_the_page(
    browser: Browser, report: Path, width: int
) -> None:
    browser.open(report.as_uri(), width)
    plots: list[dict[str, Any]] = browser.evaluate(PLOTS)
    REPORT.mkdir(exist_ok=True)
    (REPORT / f"replay-{width}.png").write_bytes(browser.screenshot())

    assert [plot["kind"] for plot in plots].count("requests") == 3
    assert [plot["kind"] for plot in plots].count("in-flight") == 3
    assert [plot["kind"] for plot in plots].count("states") == 6
    for plot in plots:
        assert plot["width"] > 200 and plot["height"] > 10
        drawn = [shape for shape in plot["shapes"] if shape["width"] > plot["width"] / 3]
        assert drawn, plot
        assert all(shape["colour"] not in ("none", "rgba(0, 0, 0, 0)") for shape in drawn)
        if plot["kind"] != "states":
            assert max(shape["height"] for shape in drawn) > plot["height"] / 4
    colours = {s["colour"] for p in plots if p["kind"] == "states" for s in p["shapes"]}
    assert len(colours) >= 2, "the ejected backend must look different"

    assert browser.told("Log.entryAdded") == []
    assert browser.told("Runtime.exceptionThrown") == []
    assert browser.told("Runtime.consoleAPICalled") == []
    asked = {event["request"]["url"] for event in browser.told("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}


def test_on_a_phone_the_page_does_not_scroll_sideways(browser: Browser, report: Path) -> None:
    browser.open(report.as_uri(), 390)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = browser.evaluate(
        "[...document.querySelectorAll('figure text')].map(t => t.getBoundingClientRect().height)"
    )
    assert min(sizes) > 10
