"""Made-up logs of every kind: each is recognised, and read whole and rightly.

`made_up/NAME.log` goes in, and `made_up/NAME.jsonl` must come out: first a line with what is said
beside the file (`given`), what it is recognised as and how many lines are skipped, then a line for
each request: seconds since the first one, client, method, target, headers, and what a backend does
that serves it as it was served.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats import FORMATS, Traffic
from l7proxy.tools.formats.wrappings import WRAPPINGS
from l7proxy.tools.log_files import open_text

MADE_UP = Path(__file__).parent / "made_up"
LOGS = sorted(MADE_UP.glob("*.log"))


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_made_up_log_is_read_whole_and_rightly(log: Path) -> None:
    expected = log.with_suffix(".jsonl").read_text().splitlines()
    given = json.loads(expected[0])["given"]
    assert [json.dumps(line, ensure_ascii=False) for line in found(log, given)] == expected


def found(log: Path, given: dict[str, Any]) -> list[Any]:
    """What is found in a log, as the lines of its `.jsonl`."""
    with open_text(str(log)) as lines:
        traffic = Traffic(lines, as_logged=True, **given)
        requests = [[at, *shown(request)] for _, at, request in traffic.requests()]
    recognised = traffic.sources[0].recognised
    form = [recognised.format.name, *(each.name for each in reversed(recognised.wrappings))]
    return [{"given": given, "format": " in ".join(form), "skipped": traffic.bad}, *requests]


def shown(request: HttpRequest) -> list[Any]:
    """What there is in a request, the client first."""
    made: list[Any] = [request.client_ip, request.method, request.target, list(request.headers)]
    if request.simulate is not None:
        made.append({"status": request.simulate.status, "latency": request.simulate.latency})
    if request.body:
        made.append(request.body.decode())
    return made


def test_there_are_logs_of_every_format_and_in_every_wrapping() -> None:
    firsts = [json.loads(log.with_suffix(".jsonl").read_text().splitlines()[0]) for log in LOGS]
    names = {name for first in firsts for name in first["format"].split(" in ")}
    assert set(FORMATS) - {"envelopes", "access"} == names - {each.name for each in WRAPPINGS}
    assert {each.name for each in WRAPPINGS} < names
