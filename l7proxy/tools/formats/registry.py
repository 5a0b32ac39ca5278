"""The formats by name, and how one is told from its first lines.

A format is a module with a `reader`, and an entry in `PLAIN_TEXT` or, for JSON, in `LOGS`; a JSON
log with a request in each line needs no module, only an entry in `PRESETS` of `json_log`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from l7proxy.tools.formats import access, combined, haproxy, har, json_log
from l7proxy.tools.formats.line import BadLine, LogReader


@dataclass(frozen=True, slots=True)
class Details:
    """What is said about a log beside its format."""

    mapping: Sequence[str] = ()
    """Where the fields of a JSON log are, as in `path=my.field`."""
    captures: Sequence[str] = ()
    """Which request headers HAProxy captured."""
    as_logged: bool = False
    """Whether simulated backends take as long, and answer with the status, that the log says."""


class UnknownFormat(ValueError):
    """The lines are of no format that is known; the text says so."""


def _json_reader(preset: json_log.FieldNames, details: Details) -> LogReader:
    mapping = json_log.parse_mapping(details.mapping, preset)
    return json_log.reader(mapping, as_logged=details.as_logged)


PLAIN_TEXT: dict[str, Callable[[Details], LogReader]] = {
    "combined": lambda details: combined.reader(as_logged=details.as_logged),
    "haproxy": lambda details: haproxy.reader(
        captures=details.captures, as_logged=details.as_logged
    ),
}
"""The readers of logs that are no JSON: one is told by reading a line with it, in this order."""

LOGS: dict[str, Callable[[Details], LogReader]] = {
    **PLAIN_TEXT,
    **{name: partial(_json_reader, preset) for name, preset in json_log.PRESETS.items()},
    "json": partial(_json_reader, {}),
    "har": lambda details: har.reader(as_logged=details.as_logged),
}
"""The readers of the logs that become requests, by the name of the format."""

FORMATS = ("envelopes", "access", *LOGS)


def check_details(name: str, details: Details) -> None:
    """Raises ValueError where the format has no use for a mapping or for captures."""
    if details.mapping and name not in ("json", *json_log.PRESETS):
        raise ValueError(f'--map names the fields of a JSON log, and the format is "{name}"')
    if details.captures and name != "haproxy":
        raise ValueError(f'--captures names what HAProxy captured, and the format is "{name}"')


def recognise(lines: Sequence[str]) -> str:
    """Returns the name of the format that the first of these lines has; raises `UnknownFormat`."""
    said = [line for line in lines if line.strip()]
    if not said:
        return "envelopes"
    first = said[0].strip()
    if first.startswith("{"):
        return _recognise_json(first)
    for line in said:
        for name, make in PLAIN_TEXT.items():
            try:
                make(Details())(line)
            except BadLine:
                continue
            return name
    raise UnknownFormat(f"no known format; say which with --format ({', '.join(FORMATS)})")


def _recognise_json(line: str) -> str:
    try:
        value = json.loads(line)
    except ValueError:
        # A document over many lines: only HAR is one.
        return "har" if line in ("{", '{"log":', '{"log": {') else "envelopes"
    if access.is_line(value):
        return "access"
    if "body" in value or "src" in value:
        return "envelopes"
    if "log" in value:
        return "har"
    known = {name: _known_fields(value, preset) for name, preset in json_log.PRESETS.items()}
    best = max(known, key=lambda name: known[name])
    if known[best] < 2:
        raise UnknownFormat(
            "a JSON log whose fields are not known; say where they are: "
            "--format json --map time=FIELD --map path=FIELD ..."
        )
    return best


def _known_fields(value: object, preset: json_log.FieldNames) -> int:
    """Returns how much of what the preset looks for is in the line."""
    return sum(
        any(_has(value, field.partition(":")[0] or field) for field in fields)
        for fields in preset.values()
    )


def _has(value: object, field: str) -> bool:
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True
