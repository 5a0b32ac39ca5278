"""The formats by name, and how one is told from its first line."""

from __future__ import annotations

import json

from l7proxy.tools.formats import access, combined, envelopes, haproxy, har, json_log
from l7proxy.tools.formats.line import BadLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.tools.formats.line import Reader

FORMATS = ("envelopes", "access", "combined", "haproxy", *json_log.PRESETS, "json", "har")


class UnknownFormat(ValueError):
    """The lines are of no format we know; the text says so."""


def find_reader(
    name: str,
    *,
    mapping: Sequence[str] = (),
    captures: Sequence[str] = (),
    as_logged: bool = False,
) -> Reader:
    """The reader of a format.

    `mapping` says where fields of a JSON log are (`path=my.field`), `captures` which headers
    HAProxy captured; with `as_logged` simulated backends answer as slowly, and with the status,
    that the log tells of. Raises ValueError where the mapping makes no sense, and where the format
    has no use for it or for captures.
    """
    if mapping and name not in ("json", *json_log.PRESETS):
        raise ValueError(f'--map names the fields of a JSON log, and the format is "{name}"')
    if captures and name != "haproxy":
        raise ValueError(f'--captures names what HAProxy captured, and the format is "{name}"')
    if name == "envelopes":
        return envelopes.read
    if name == "access":
        return access.reader(as_logged=as_logged)
    if name == "combined":
        return combined.reader(as_logged=as_logged)
    if name == "haproxy":
        return haproxy.reader(captures=captures, as_logged=as_logged)
    if name == "har":
        return har.reader(as_logged=as_logged)
    preset = json_log.PRESETS.get(name, {})
    return json_log.reader(json_log.parse_mapping(mapping, preset), as_logged=as_logged)


def recognise(lines: Sequence[str]) -> str:
    """The name of the format in which the first of these lines are; raises `UnknownFormat`."""
    said = [line for line in lines if line.strip()]
    if not said:
        return "envelopes"
    first = said[0].strip()
    if first.startswith("{"):
        return _recognise_json(first)
    for line in said:
        for name, read in (("combined", combined.reader()), ("haproxy", haproxy.reader())):
            try:
                read(line)
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
    best, points = "", 0
    for name, preset in json_log.PRESETS.items():
        found = sum(
            any(_has(value, field.partition(":")[0] or field) for field in fields)
            for fields in preset.values()
        )
        if found > points:
            best, points = name, found
    if points < 2:
        raise UnknownFormat(
            "a JSON log whose fields are not known; say where they are: "
            "--format json --map time=FIELD --map path=FIELD ..."
        )
    return best


def _has(value: object, field: str) -> bool:
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True
