"""The page on selectors names every algorithm, alias and option that there is, and no other."""

from __future__ import annotations

import json
import re
from operator import attrgetter
from pathlib import Path

from l7proxy.core import HttpRequest, config_from
from l7proxy.core.config import BackendConfig
from l7proxy.core.config.algorithms import ALIASES, OPTIONS
from l7proxy.core.pool.backend import Backend

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "selectors.md").read_text()


def rows(heading: str) -> dict[str, list[str]]:
    """The cells behind each algorithm's name in the first table below a heading."""
    table = PAGE.partition(heading)[2].partition("\n\n#")[0]
    cells = [line.strip("| \n").split(" |") for line in table.splitlines() if line[:3] == "| `"]
    return {row[0].strip("` "): [cell.strip() for cell in row[1:]] for row in cells}


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_it_has_every_algorithm_with_its_options() -> None:
    table = rows("# Selectors")
    assert {name: named(row[1]) for name, row in table.items()} == {
        name: set(options.keys) for name, options in OPTIONS.items()
    }


def test_it_has_every_alias() -> None:
    table = rows("## Other names")
    listed = {alias: name for name, row in table.items() for alias in named(row[0])}
    assert {a: n for a, n in ALIASES.items() if "_" not in a} == listed
    assert {alias.replace("_", "-") for alias in ALIASES} <= {*listed, *OPTIONS}


def attributes(heading: str) -> list[str]:
    """The names in the first cells of the table with that heading, without what is called."""
    table = PAGE.partition(heading)[2].partition("\n\n")[0]
    cells = [line.split(" |")[0] for line in table.splitlines() if line[:3] == "| `"]
    return [name.partition("(")[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_what_a_selector_may_look_at_is_there() -> None:
    request = HttpRequest("GET", "/")
    names = attributes("| of a request |")
    assert "client_ip" in names and "headers.get" in names
    for name in names:
        attrgetter(name)(request)
    names = attributes("| of a backend |")
    assert "in_flight" in names
    for name in names:
        attrgetter(name)(Backend(0, "a", BackendConfig(address="a:80")))


def test_its_configuration_is_valid() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    config_from(json.loads(example))
