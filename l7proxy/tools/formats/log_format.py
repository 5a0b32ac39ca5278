"""Lines of a `log_format` of nginx's: its variables are the fields, as they are in its JSON logs.

A value reaches to the next text of the format. Those that may hold that text are known: lists of
addresses and times, and times of day. Python's `(?>...)` keeps what was found once, so that a line
is looked through once.
"""

from __future__ import annotations

import re

from l7proxy.tools.formats.escapes import unescaped, unescaped_target
from l7proxy.tools.formats.fields import HEADER, FieldNames, request_reader
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.json_log import PRESETS, variables_header
from l7proxy.tools.formats.line import BadLine, LoggedRequest, LogReader

_VARIABLE = re.compile(r"\$(?:\{(\w++)\}|(\w++))")
_LIST = r"(?>[^\s,]++(?:(?:,| :) [^\s,]++)*)"
_DAY = r"[^\s\]\"]++ [+-]\d{4}"
_LINE = r"(?:\S++ [^\"]*? HTTP/[\d.]++|-|)"
_TARGETS = ("request", "request_uri", "uri", "document_uri", "args", "query_string")


def _reader(details: Details) -> LogReader:
    """Returns a reader of the lines; raises ValueError for a format of no use."""
    if details.log_format is None:
        raise ValueError("the format \"log-format\" needs --log-format '$remote_addr ...'")
    pattern, variables = compiled(details.log_format)
    read_fields = request_reader(_mapping(variables), as_logged=details.as_logged)

    def read(line: str) -> LoggedRequest:
        found = pattern.fullmatch(line.rstrip("\r\n"))
        if found is None:
            raise BadLine("not a line of this log format")
        fields: dict[str, str] = dict(zip(variables, found.groups(), strict=True))
        for name, text in fields.items():
            if "\\" in text:
                fields[name] = unescaped_target(text) if name in _TARGETS else unescaped(text)
        return read_fields(fields)

    return read


def compiled(log_format: str) -> tuple[re.Pattern[str], list[str]]:
    """Returns an expression for the lines, and the variables that are its groups.

    Raises ValueError where two variables have nothing between them.
    """
    pattern = ""
    variables: list[str] = []
    end = 0
    matches = list(_VARIABLE.finditer(log_format))
    for place, found in enumerate(matches):
        name = found[1] or found[2]
        before = log_format[end : found.start()]
        end = found.end()
        last = place == len(matches) - 1
        after = log_format[end:] if last else log_format[end : matches[place + 1].start()]
        if not after and not last:
            raise ValueError(f"--log-format: what is between ${name} and what follows it?")
        pattern += re.escape(before) if not place else ""
        pattern += f"(?>{_value(name, after)}{re.escape(after)})"
        variables.append(name)
    return re.compile(pattern), variables


def _value(name: str, after: str) -> str:
    """Returns an expression for the value of a variable, with a group around it."""
    if not after:
        return "(.*)"
    if after[0] not in '"]' and name == "time_local":
        return f"({_DAY})"
    if after[0] == " " and name == "request":
        return f"({_LINE})"
    if after[0] == " " and name.startswith(("upstream_", "http_x_forwarded", "proxy_add_x_f")):
        return f"({_LIST})"
    return "(.*?)"


def _mapping(variables: list[str]) -> FieldNames:
    """Returns what the variables are for; raises ValueError where they tell of no request."""
    known = PRESETS["nginx-json"]
    made = {
        wanted: tuple(name for name in names if name.partition(":")[0] in variables)
        for wanted, names in known.items()
    }
    for name in variables:
        header = variables_header(name)
        if header is not None and header not in ("Host", "User-Agent", "Referer"):
            made[f"{HEADER}{header}"] = (name,)
    if not made["time"]:
        raise ValueError("--log-format has no $time_local, $time_iso8601 or $msec")
    if not (made["request"] or made["target"] or made["path"]):
        raise ValueError("--log-format has no $request, $request_uri or $uri")
    return made


FORMAT = Format(
    "log-format",
    what="nginx, with a `log_format` of one's own",
    sign="not at all: `--log-format` says how it is written",
    reader=_reader,
    takes=("log_format",),
)
