"""Logs in W3C's extended format, as IIS writes them: columns with blanks between them.

Blanks in a value are written as `+`. `time-taken` is in milliseconds.
"""

from __future__ import annotations

from l7proxy.tools.formats.columns import column_reader
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import LogReader

COLUMNS = """
    date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent)
    cs(Referer) sc-status sc-substatus sc-win32-status time-taken
"""
"""Those that IIS writes if nothing else is said."""


def _reader(details: Details) -> LogReader:
    return column_reader(
        COLUMNS,
        separator=" ",
        duration="ms",
        meant=lambda text: text.replace("+", " "),
        is_ours=lambda names: "x-edge-location" not in names,
        as_logged=details.as_logged,
    )


FORMAT = Format(
    "w3c",
    what="IIS, and others in W3C's extended format",
    sign="a line `#Fields: ...`, or the columns that IIS has by default",
    reader=_reader,
)
