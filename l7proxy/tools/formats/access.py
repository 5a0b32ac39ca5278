"""The access log of `l7proxy serve` in its `envelope` format.

Its lines are envelopes whose body also says when the request ended by the wall clock (`time`) and
how long it took (`seconds`). When a request began is computed from these and not read from `at`,
because each of the processes that share a log counts `at` from its own start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from l7proxy.tools.formats import envelopes
from l7proxy.tools.formats.format import Format
from l7proxy.tools.formats.line import BadLine, Envelope
from l7proxy.tools.formats.times import any_time


def is_line(value: Any) -> bool:
    """Returns whether a JSON value is a line of such a log."""
    body = value.get("body") if isinstance(value, dict) else None
    return isinstance(body, dict) and {"time", "seconds", "bytes"} <= body.keys()


def reader(*, as_logged: bool = False) -> Callable[[str], tuple[float, Envelope]]:
    """Returns a reader that tells when a request began (seconds since 1970), and its envelope."""

    def read(line: str) -> tuple[float, Envelope]:
        value = envelopes.read(line)
        if not is_line(value):
            raise BadLine("not a line of an access log")
        body = value["body"]
        ended, seconds = any_time(body["time"]), body["seconds"]
        if type(seconds) not in (int, float) or not 0 <= seconds <= ended:
            raise BadLine("seconds must be how long it took")
        if as_logged:
            body["simulate"] = {"latency": seconds}
            status = body.get("status")
            if type(status) is int and 200 <= status <= 599:
                body["simulate"]["status"] = status
        return ended - seconds, value

    return read


FORMAT = Format(
    "access",
    what="`l7proxy serve`, as `envelope`",
    sign="envelopes whose body has `time`, `seconds` and `bytes`",
    fits=lambda value: 200 * is_line(value),
)
