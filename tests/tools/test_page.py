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
  return {name: plot.dataset.plot, width: box.width, height: box.height, shapes};
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


@pytest.fixture(scope="module", params=[1100, 390], ids=["desk", "phone"])
def plots(request: pytest.FixtureRequest, browser: Browser, report: Path) -> list[dict[str, Any]]:
    """The plots as the browser draws them in a window of some width, which is photographed."""
    browser.open(report.as_uri(), request.param)
    REPORT.mkdir(exist_ok=True)
    (REPORT / f"replay-{request.param}.png").write_bytes(browser.screenshot())
    found: list[dict[str, Any]] = browser.evaluate(PLOTS)
    return found


def test_every_pool_and_every_backend_has_its_plots(plots: list[dict[str, Any]]) -> None:
    names = [plot["name"] for plot in plots]
    assert names.count("requests") == 3
    assert names.count("in-flight") == 3
    assert names.count("states") == 6


def test_every_plot_has_something_in_it(plots: list[dict[str, Any]]) -> None:
    for plot in plots:
        assert plot["width"] > 200 and plot["height"] > 10
        drawn = [shape for shape in plot["shapes"] if shape["width"] > plot["width"] / 3]
        assert drawn, plot
        assert all(shape["colour"] not in ("none", "rgba(0, 0, 0, 0)") for shape in drawn)
        if plot["name"] != "states":
            assert max(shape["height"] for shape in drawn) > plot["height"] / 4


def test_a_backend_that_was_ejected_looks_different(plots: list[dict[str, Any]]) -> None:
    states = [plot for plot in plots if plot["name"] == "states"]
    assert len({shape["colour"] for plot in states for shape in plot["shapes"]}) >= 2


def test_nothing_leaves_the_page_and_nothing_is_wrong_with_it(
    browser: Browser, report: Path
) -> None:
    browser.open(report.as_uri(), 1100)
    assert browser.seen("Log.entryAdded") == []
    assert browser.seen("Runtime.exceptionThrown") == []
    assert browser.seen("Runtime.consoleAPICalled") == []
    asked = {event["request"]["url"] for event in browser.seen("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}


def test_the_share_of_a_route_is_a_bar(browser: Browser, report: Path) -> None:
    browser.open(report.as_uri(), 1100)
    widths = browser.evaluate(
        "[...document.querySelectorAll('.bar')].map(b => b.getBoundingClientRect().width)"
    )
    assert len(widths) == 4 and min(widths) > 0


def test_on_a_phone_the_page_does_not_scroll_sideways(browser: Browser, report: Path) -> None:
    browser.open(report.as_uri(), 390)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = browser.evaluate(
        "[...document.querySelectorAll('figure text')].map(t => t.getBoundingClientRect().height)"
    )
    assert min(sizes) > 10
