"""The formats by name. One more is a module with a `FORMAT`, and that in one of the lists here.

A JSON log with a request in each line needs no module, only an entry in `PRESETS` of `json_log`.
"""

from __future__ import annotations

from collections.abc import Callable

from l7proxy.tools.formats import (
    access,
    alb,
    cloudfront,
    combined,
    envelopes,
    envoy,
    haproxy,
    haproxy_clf,
    har,
    json_log,
    log_format,
    pattern,
    w3c,
)
from l7proxy.tools.formats.format import Details
from l7proxy.tools.formats.line import LogReader

TEXT = (
    haproxy_clf.FORMAT,
    combined.FORMAT,
    envoy.FORMAT,
    haproxy.FORMAT,
    alb.FORMAT,
    w3c.FORMAT,
    cloudfront.FORMAT,
)
"""Those whose lines are text: a line is of the first that can read it."""

JSON = (envelopes.FORMAT, access.FORMAT, *json_log.FORMATS)
"""Those whose lines are JSON objects: a line is of the one that finds the most in it."""

OTHERS = (har.FORMAT, json_log.OWN, log_format.FORMAT, pattern.FORMAT)
"""Those that are told in another way, or not at all."""

BY_NAME = {each.name: each for each in (*JSON, *TEXT, *OTHERS)}
FORMATS = tuple(BY_NAME)

LOGS: dict[str, Callable[[Details], LogReader]] = {
    name: each.reader for name, each in BY_NAME.items() if each.reader is not None
}
"""The readers of the logs that become requests, by the name of the format."""

_USES = {
    "mapping": "--map names the fields of a JSON log",
    "captures": "--captures names what HAProxy captured",
    "pattern": "--pattern reads the lines by itself",
    "log_format": "--log-format says how nginx wrote the lines",
}


def named_format(name: str | None, details: Details) -> str | None:
    """Returns the name, or that of the format that details are for which only it needs."""
    if name is not None:
        return name
    if details.log_format is not None:
        return log_format.FORMAT.name
    return None if details.pattern is None else pattern.FORMAT.name


def check_details(name: str, details: Details) -> None:
    """Raises ValueError where something is said for which the format has no use."""
    for detail, what in _USES.items():
        if getattr(details, detail) and detail not in BY_NAME[name].takes:
            raise ValueError(f'{what}, and the format is "{name}"')
