"""Requests from named fields: which field means what.

A mapping names, for each thing we want to know, the fields in which it may be; the first that says
something counts. `request.uri` is the member `uri` of the member `request`. A duration's field may
have a unit behind it: `duration:ms` (`s`, `ms`, `us`, `ns`). A request line wins over a target, and
that over a path and a query: nginx changes its `$uri` on the way, and not its `$request`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from l7proxy.core.http.messages import Headers, HttpRequest
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    NoRequest,
    as_served,
    client_of,
    field,
    headers_from,
    headers_of,
    request_line,
    status_from,
)
from l7proxy.tools.formats.times import any_time

FieldNames = Mapping[str, Sequence[str]]
"""For each of `WANTED` that a log knows, the names of the fields in which it may be."""
Lookup = Callable[[Mapping[str, Any]], Any]
"""Returns what the first of some fields says that is in a line, or None."""

WANTED = (
    "time",
    "client",
    "method",
    "path",
    "query",
    "target",
    "request",
    "host",
    "user_agent",
    "referer",
    "headers",
    "status",
    "duration",
)
"""What a mapping may name, beside `header:NAME`. `target` is a path with its query, `request` is
all of a request line, `headers` an object."""

HEADER = "header:"
"""What is before the name of a header that has a field of its own."""

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}

_SAYS_NOTHING = (None, "", "-")
_HEADERS = (("Host", "host"), ("User-Agent", "user_agent"), ("Referer", "referer"))
"""The headers that logs have as fields of their own, and what a mapping calls those."""


def no_header(name: str) -> str | None:
    """Returns None: the `header_of` of a log whose fields are no headers by their names."""
    return None


def request_reader(
    mapping: FieldNames,
    *,
    as_logged: bool = False,
    header_of: Callable[[str], str | None] = no_header,
) -> Callable[[Mapping[str, Any]], LoggedRequest]:
    """Returns a function from the fields of a line to its request; see `parse_mapping`.

    `header_of` returns the header that a field with this name has the value of, or None.
    """
    find = {wanted: _lookup(mapping.get(wanted, ())) for wanted in WANTED if wanted != "duration"}
    time, client = find["time"], find["client"]
    method_and_target = _target_lookup(find)
    headers = _headers_lookup(mapping, header_of)
    statuses = [_lookup([name]) for name in mapping.get("status", ())]
    durations = [
        (_lookup([name]), unit) for name, unit in map(_with_unit, mapping.get("duration", ()))
    ]

    def read(value: Mapping[str, Any]) -> LoggedRequest:
        at = any_time(time(value))
        method, target = method_and_target(value)
        asking = client(value)
        request = HttpRequest(
            method, target, headers(value), "-" if asking is None else client_of(str(asking))
        )
        if as_logged:
            request.simulate = as_served(_status(value, statuses), _seconds(value, durations))
        return at, request

    return read


def find_member(value: Any, name: str) -> bool:
    """Returns whether a decoded line has a field of that name, whatever it says."""
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def known_fields(value: Any, mapping: FieldNames) -> int:
    """Returns how much of what the mapping looks for is in a line; 0 where no request can be."""
    found = {
        wanted
        for wanted, names in mapping.items()
        if any(find_member(value, name.partition(":")[0] or name) for name in names)
    }
    return len(found) if found & {"path", "target", "request"} else 0


def parse_mapping(given: Sequence[str], preset: FieldNames) -> FieldNames:
    """Returns the preset with `path=my.field` in place of its own path; raises ValueError."""
    made = dict(preset)
    for text in given:
        wanted, equals, names = text.partition("=")
        is_known = wanted in WANTED or wanted.startswith(HEADER)
        if not is_known or not equals or not names:
            known = ", ".join((*WANTED, f"{HEADER}NAME"))
            raise ValueError(f'"{text}" must be NAME=FIELD, NAME one of {known}')
        made[wanted] = tuple(names.split(","))
        for name in made["duration"] if wanted == "duration" else ():
            _with_unit(name)
    return made


def _with_unit(name: str) -> tuple[str, float]:
    """Returns the field in `field:ms`, and that unit in seconds."""
    field, colon, unit = name.rpartition(":")
    if colon and unit in UNITS:
        return field, UNITS[unit]
    if colon and field:
        raise ValueError(f'"{name}": the unit must be one of {", ".join(UNITS)}')
    return name, 1.0


def _lookup(names: Sequence[str]) -> Lookup:
    """Returns a function that finds what the first of these fields says that says something."""
    if any("." in name for name in names):
        paths = [name.split(".") for name in names]
        return lambda value: _first_inside(value, paths)

    def first(value: Mapping[str, Any]) -> Any:
        for name in names:
            found = value.get(name)
            if found not in _SAYS_NOTHING:
                return found
        return None

    return first


def _first_inside(value: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> Any:
    for path in paths:
        found: Any = value
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if found not in _SAYS_NOTHING:
            return found
    return None


def _target_lookup(
    find: Mapping[str, Lookup],
) -> Callable[[Mapping[str, Any]], tuple[str, str]]:
    """Returns a function that finds method and target, which raises `BadLine` without a path."""
    find_path, find_query, find_target = find["path"], find["query"], find["target"]
    find_request, find_method = find["request"], find["method"]

    def method_and_target(value: Mapping[str, Any]) -> tuple[str, str]:
        request = find_request(value)
        target = find_target(value)
        path = find_path(value)
        if isinstance(request, str):
            try:
                return request_line(request)
            except NoRequest:
                if target is None and path is None:
                    raise
        if target is None:
            if path is None:
                raise BadLine("there is no path in it")
            target = path
            query = find_query(value)
            if query is not None and "?" not in str(path):
                target = f"{path}?{str(query).removeprefix('?')}"
        return str(find_method(value) or "GET"), str(target)

    return method_and_target


def _headers_lookup(
    mapping: FieldNames, header_of: Callable[[str], str | None]
) -> Callable[[Mapping[str, Any]], Headers]:
    """Returns a function that finds the headers: those in one object, and those by themselves."""
    find_headers = _lookup(mapping.get("headers", ()))
    find_single = [
        (header, _lookup(mapping[wanted])) for header, wanted in _HEADERS if wanted in mapping
    ]
    find_single += [
        (wanted.removeprefix(HEADER), _lookup(names))
        for wanted, names in mapping.items()
        if wanted.startswith(HEADER)
    ]
    mapped = {header.lower() for header, _ in (*_HEADERS, *find_single)}

    @lru_cache(maxsize=1024)
    def named(name: str) -> str | None:
        header = header_of(name)
        return None if not header or header.lower() in mapped else header

    def headers(value: Mapping[str, Any]) -> Headers:
        single = [
            (header, str(found))
            for header, find in find_single
            if (found := find(value)) is not None
        ]
        if header_of is not no_header:
            single += [
                (header, str(item))
                for name, item in value.items()
                if (header := named(name)) is not None and item not in _SAYS_NOTHING
            ]
        given = find_headers(value)
        if not isinstance(given, dict):
            return headers_of([field(header, text) for header, text in single])
        made: dict[str, str | list[str]] = {}
        for name, item in given.items():
            lines = item if isinstance(item, list) else [item]
            made[name] = str(lines[0]) if len(lines) == 1 else list(map(str, lines))
        return headers_from({**made, **dict(single)})

    return headers


def _status(value: Mapping[str, Any], statuses: Sequence[Lookup]) -> int | None:
    """Returns the first status that is one: some write 0 for an answer that there never was."""
    found = (status_from(find(value)) for find in statuses)
    return next((status for status in found if status), None)


def _seconds(value: Mapping[str, Any], durations: Sequence[tuple[Lookup, float]]) -> float | None:
    for find, unit in durations:
        found = find(value)
        if found is None:
            continue
        if type(found) is float:
            return found * unit
        try:
            # nginx lists the times of several attempts, of which the last one counted.
            return float(str(found).replace(":", ",").split(",")[-1]) * unit
        except ValueError:
            continue
    return None
