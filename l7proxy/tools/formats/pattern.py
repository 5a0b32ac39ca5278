"""Lines that a regular expression of the user's own can read."""

from __future__ import annotations

import re

from l7proxy.tools.formats.fields import HEADER, WANTED, FieldNames, request_reader
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import BadLine, LoggedRequest, LogReader

_HEADER_GROUP = "header_"


def _reader(details: Details) -> LogReader:
    """Returns a reader of the lines that match; raises ValueError for a pattern of no use."""
    if details.pattern is None:
        raise ValueError('the format "pattern" needs --pattern REGEX')
    try:
        pattern = re.compile(details.pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"--pattern is not a regular expression: {error}") from None
    read_fields = request_reader(_mapping(pattern), as_logged=details.as_logged)
    search = pattern.search

    def read(line: str) -> LoggedRequest:
        found = search(line)
        if found is None:
            raise BadLine("--pattern does not match it")
        return read_fields(found.groupdict())

    return read


def _mapping(pattern: re.Pattern[str]) -> FieldNames:
    """Returns what the groups are for; raises ValueError for one that is for nothing."""
    groups = pattern.groupindex
    known = [*(name for name in WANTED if name != "headers"), f"{_HEADER_GROUP}NAME"]
    made: dict[str, tuple[str, ...]] = {}
    for name in groups:
        if name.startswith(_HEADER_GROUP):
            header = name.removeprefix(_HEADER_GROUP).replace("_", "-").title()
            made[f"{HEADER}{header}"] = (name,)
        elif name in known:
            made[name] = (name,)
        else:
            raise ValueError(f'--pattern: the group "{name}" must be one of {", ".join(known)}')
    if "time" not in made or not made.keys() & {"path", "target", "request"}:
        raise ValueError(
            "--pattern needs groups (?P<time>...) and (?P<request>...), or (?P<path>...)"
        )
    return made


FORMAT = Format(
    "pattern",
    what="anything, with a request in a line",
    sign="not at all: `--pattern` reads it",
    reader=_reader,
    takes=("pattern",),
)
