"""The access log of `l7proxy serve` in its `envelope` format.

Its lines are envelopes that also tell when a request ended, by the wall clock (`time`), and how
long it took. That is what counts, not `at`: processes that share a log write it in turns.
"""

from __future__ import annotations

from l7proxy.tools.formats import envelopes
from l7proxy.tools.formats.line import BadLine, Logged, simulate
from l7proxy.tools.formats.times import any_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from l7proxy.tools.formats.line import Envelope, Reader


def is_line(value: Any) -> bool:
    """Whether a JSON value is a line of such a log."""
    body = value.get("body") if isinstance(value, dict) else None
    return isinstance(body, dict) and {"time", "seconds", "bytes"} <= body.keys()


def reader(*, as_logged: bool = False) -> Reader:
    """A reader of such lines."""

    def read(line: str) -> Envelope:
        value = envelopes.read(line)
        if not is_line(value):
            raise BadLine("not a line of an access log")
        body = value["body"]
        ended, seconds = any_time(body["time"]), body["seconds"]
        if type(seconds) not in (int, float) or not 0 <= seconds <= ended:
            raise BadLine("seconds must be how long it took")
        value["at"] = ended - seconds
        if as_logged:
            status = body.get("status")
            simulate(body, Logged(status if type(status) is int else None, seconds))
        return value

    return read
