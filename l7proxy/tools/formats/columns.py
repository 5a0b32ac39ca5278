"""Logs in columns that a line of their own names: W3C's extended format.

#Fields: date time cs-method cs-uri-stem cs-uri-query c-ip sc-status time-taken
2002-05-02 17:42:15 GET /images/picture.jpg - 172.22.255.255 200 15
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from l7proxy.tools.formats.fields import FieldNames, request_reader
from l7proxy.tools.formats.line import BadLine, Heading, LoggedRequest, LogReader

_DIRECTIVE = re.compile(
    r"#(Version|Fields|Software|Date|Start-Date|End-Date|Remark):\s*+(.*)", re.DOTALL
).fullmatch
_DATE = re.compile(r"\d{4}-\d\d-\d\d").fullmatch

NAMED: FieldNames = {
    "time": ("date-time",),
    "client": ("c-ip",),
    "method": ("cs-method",),
    "path": ("cs-uri-stem",),
    "query": ("cs-uri-query",),
    "target": ("cs-uri",),
    "host": ("x-host-header", "cs-host", "cs(Host)"),
    "user_agent": ("cs(User-Agent)",),
    "referer": ("cs(Referer)",),
    "status": ("sc-status",),
}
"""What the columns are called. `date-time` is put together from `date` and `time`."""


def column_reader(
    names: str,
    *,
    separator: str,
    duration: str,
    meant: Callable[[str], str],
    is_ours: Callable[[Sequence[str]], bool],
    as_logged: bool,
) -> LogReader:
    """Returns a reader of such a log.

    `names` are the columns until a line names them, and `duration` the unit of `time-taken`;
    `meant` undoes the escapes in what clients said, and `is_ours` says whether it is a log of this
    format that has columns of these names.
    """
    mapping = {**NAMED, "duration": (f"time-taken:{duration}",)}
    read_fields = request_reader(mapping, as_logged=as_logged, header_of=_header_of)
    columns = names.split()
    day = ""

    def read(line: str) -> LoggedRequest:
        nonlocal columns, day
        if line.startswith("#"):
            name, text = _directive(line)
            if name == "Fields":
                if not is_ours(text.split()):
                    raise BadLine("the log has other columns")
                columns = text.split()
            elif name == "Date":
                day = text[:10]
            raise Heading(f"a line about the log: {line.strip()}")
        values = line.rstrip("\r\n").split(separator)
        if len(values) != len(columns):
            raise BadLine(f"it has {len(values)} columns, not {len(columns)}")
        found = dict(zip(columns, values, strict=True))
        date = found.get("date", day)
        if _DATE(date) is None:
            raise BadLine("there is no date in it")
        found["date-time"] = f"{date}T{found.get('time', '')}"
        for name in columns:
            if _header_of(name) is not None:
                found[name] = meant(found[name])
        return read_fields(found)

    return read


def _header_of(column: str) -> str | None:
    """Returns the header of the request that a column has: `Cookie` for `cs(Cookie)`."""
    return column[3:-1] if column.startswith("cs(") and column.endswith(")") else None


def _directive(line: str) -> tuple[str, str]:
    found = _DIRECTIVE(line.rstrip())
    if found is None:
        raise BadLine("not a line of a log in columns")
    return found[1], found[2]
