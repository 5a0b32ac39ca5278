"""JSON access logs: which field means what, for nginx, Envoy, Caddy, Traefik, or as you say.

A mapping names, for each thing we want to know, the fields in which it may be; the first that is
there counts. `request.uri` is the member `uri` of the member `request`. A duration's field may
have a unit behind it: `duration:ms` (`s`, `ms`, `us`, `ns`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l7proxy.core.http.messages import Headers, HttpRequest
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    as_served,
    decode_json,
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
    "request",
    "host",
    "user_agent",
    "referer",
    "headers",
    "status",
    "duration",
)
"""What a mapping may name. `request` is all of a request line, `headers` an object."""

PRESETS: dict[str, FieldNames] = {
    "nginx-json": {
        "time": ("msec", "time_iso8601", "time_local", "time", "timestamp", "@timestamp"),
        "client": ("remote_addr", "client", "client_ip"),
        "method": ("request_method", "method"),
        "path": ("request_uri", "uri", "path"),
        "request": ("request",),
        "host": ("host", "http_host", "server_name"),
        "user_agent": ("http_user_agent", "user_agent", "agent"),
        "referer": ("http_referer", "http_referrer", "referer"),
        "status": ("status",),
        "duration": ("upstream_response_time:s", "request_time:s"),
    },
    "envoy-json": {
        "time": ("start_time", "timestamp"),
        "client": ("downstream_remote_address", "x_forwarded_for", "downstream_remote_ip"),
        "method": ("method", ":method"),
        "path": ("x_envoy_original_path", "path", ":path"),
        "host": ("authority", ":authority", "host"),
        "user_agent": ("user_agent", "user-agent"),
        "referer": ("referer",),
        "status": ("response_code",),
        "duration": ("x_envoy_upstream_service_time:ms", "duration:ms"),
    },
    "caddy": {
        "time": ("ts",),
        "client": ("request.client_ip", "request.remote_ip", "request.remote_addr"),
        "method": ("request.method",),
        "path": ("request.uri",),
        "host": ("request.host",),
        "headers": ("request.headers",),
        "status": ("status",),
        "duration": ("duration:s",),
    },
    "traefik": {
        "time": ("StartUTC", "StartLocal", "time"),
        "client": ("ClientHost", "ClientAddr"),
        "method": ("RequestMethod",),
        "path": ("RequestPath",),
        "host": ("RequestHost", "RequestAddr"),
        "user_agent": ("request_User-Agent",),
        "referer": ("request_Referer",),
        "status": ("OriginStatus", "DownstreamStatus"),
        "duration": ("OriginDuration:ns", "Duration:ns"),
    },
}

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}

_SAYS_NOTHING = (None, "", "-")
_HEADERS = (("Host", "host"), ("User-Agent", "user_agent"), ("Referer", "referer"))
"""The headers that logs have as fields of their own, and what a mapping calls those."""


def reader(mapping: FieldNames, *, as_logged: bool = False) -> LogReader:
    """Returns a reader of lines whose fields `mapping` names; see `parse_mapping`."""
    find = {wanted: _lookup(mapping.get(wanted, ())) for wanted in WANTED if wanted != "duration"}
    time, client, status = find["time"], find["client"], find["status"]
    method_and_target = _target_lookup(find)
    headers = _headers_lookup(mapping)
    durations = [
        (_lookup([name]), unit) for name, unit in map(_with_unit, mapping.get("duration", ()))
    ]

    def read(line: str) -> LoggedRequest:
        value = decode_json(line)
        if not isinstance(value, dict):
            raise BadLine("not a JSON object")
        at = any_time(time(value))
        method, target = method_and_target(value)
        request = HttpRequest(method, target, headers(value), _address(client(value)))
        if as_logged:
            request.simulate = as_served(status_from(status(value)), _seconds(value, durations))
        return at, request

    return read


def parse_mapping(given: Sequence[str], preset: FieldNames) -> FieldNames:
    """Returns the preset with `path=my.field` in place of its own path; raises ValueError."""
    made = dict(preset)
    for text in given:
        wanted, equals, names = text.partition("=")
        if wanted not in WANTED or not equals or not names:
            raise ValueError(f'"{text}" must be NAME=FIELD, NAME one of {", ".join(WANTED)}')
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
    find_path, find_query = find["path"], find["query"]
    find_request, find_method = find["request"], find["method"]

    def method_and_target(value: Mapping[str, Any]) -> tuple[str, str]:
        path = find_path(value)
        if path is None:
            request = find_request(value)
            if not isinstance(request, str):
                raise BadLine("there is no path in it")
            return request_line(request)
        query = find_query(value)
        if query is not None and "?" not in str(path):
            path = f"{path}?{str(query).removeprefix('?')}"
        return str(find_method(value) or "GET"), str(path)

    return method_and_target


def _headers_lookup(mapping: FieldNames) -> Callable[[Mapping[str, Any]], Headers]:
    """Returns a function that finds the headers: those in one object, and those by themselves."""
    find_headers = _lookup(mapping.get("headers", ()))
    find_single = [
        (header, _lookup(mapping[wanted])) for header, wanted in _HEADERS if wanted in mapping
    ]

    def headers(value: Mapping[str, Any]) -> Headers:
        single = [
            (header, str(found))
            for header, find in find_single
            if (found := find(value)) is not None
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


def _address(client: Any) -> str:
    """Returns the client's address without its port."""
    text = "-" if client is None else str(client)
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        return host.strip("[]")
    return text
