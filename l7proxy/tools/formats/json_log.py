"""JSON access logs: which field means what, for nginx, Envoy, Caddy, Traefik, or as you say.

A mapping names, for each thing we want to know, the fields in which it may be, the first that is
there counting; `request.uri` is the member `uri` of the member `request`. A duration's field may
have a unit behind it: `duration:ms` (`s`, `ms`, `us`, `ns`).
"""

from __future__ import annotations

import json

from l7proxy.core.config.strict_json import why_not
from l7proxy.tools.formats.line import BadLine, Logged, envelope, request_line
from l7proxy.tools.formats.times import any_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from l7proxy.tools.formats.line import Envelope, Reader

    Mapping_ = Mapping[str, Sequence[str]]

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
"""What a mapping may name. `request` is a whole request line, `headers` an object."""

PRESETS: dict[str, Mapping_] = {
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

_decode = json.JSONDecoder().decode


def reader(mapping: Mapping_, *, as_logged: bool = False) -> Reader:
    """A reader of lines whose fields are named by the mapping, which `parse_mapping` checks."""
    fields = {
        wanted: tuple(tuple(name.split(".")) for name in mapping.get(wanted, ()))
        for wanted in WANTED
        if wanted != "duration"
    }
    durations = [_with_unit(name) for name in mapping.get("duration", ())]

    def read(line: str) -> Envelope:
        try:
            value = _decode(line)
        except (ValueError, RecursionError) as error:
            raise BadLine(f"not JSON: {why_not(error)}") from None
        if not isinstance(value, dict):
            raise BadLine("not a JSON object")
        time = any_time(_first(value, fields["time"]))
        method, path = _method_and_path(value, fields)
        client = _first(value, fields["client"])
        logged = None
        if as_logged:
            logged = Logged(_status(_first(value, fields["status"])), _seconds(value, durations))
        return envelope(time, _host_of(client), method, path, _headers(value, fields), logged)

    return read


def parse_mapping(said: Sequence[str], preset: Mapping_) -> Mapping_:
    """The preset with what `path=my.field` says put in place of its own; raises ValueError."""
    made = dict(preset)
    for text in said:
        wanted, equals, names = text.partition("=")
        if wanted not in WANTED or not equals or not names:
            raise ValueError(f'"{text}" must be NAME=FIELD, NAME one of {", ".join(WANTED)}')
        made[wanted] = tuple(names.split(","))
        for name in made["duration"] if wanted == "duration" else ():
            _with_unit(name)
    return made


def _with_unit(name: str) -> tuple[tuple[str, ...], float]:
    field, colon, unit = name.rpartition(":")
    if colon and unit in UNITS:
        return tuple(field.split(".")), UNITS[unit]
    if colon and field:
        raise ValueError(f'"{name}": the unit must be one of {", ".join(UNITS)}')
    return tuple(name.split(".")), 1.0


def _first(value: Mapping[str, Any], names: Sequence[Sequence[str]]) -> Any:
    """The value of the first field that is there and says something."""
    for name in names:
        found: Any = value
        for part in name:
            found = found.get(part) if isinstance(found, dict) else None
        if found not in (None, "", "-"):
            return found
    return None


def _method_and_path(
    value: Mapping[str, Any], fields: Mapping[str, Sequence[Sequence[str]]]
) -> tuple[str, str]:
    path = _first(value, fields["path"])
    if path is None:
        request = _first(value, fields["request"])
        if not isinstance(request, str):
            raise BadLine("there is no path in it")
        return request_line(request)
    query = _first(value, fields["query"])
    if query is not None and "?" not in str(path):
        path = f"{path}?{str(query).removeprefix('?')}"
    return str(_first(value, fields["method"]) or "GET"), str(path)


def _headers(
    value: Mapping[str, Any], fields: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, Any]:
    given = _first(value, fields["headers"])
    made: dict[str, Any] = {}
    if isinstance(given, dict):
        for name, item in given.items():
            lines = item if isinstance(item, list) else [item]
            texts = [str(line) for line in lines]
            made[str(name)] = texts[0] if len(texts) == 1 else texts
    for header, wanted in (("Host", "host"), ("User-Agent", "user_agent"), ("Referer", "referer")):
        found = _first(value, fields[wanted])
        if found is not None:
            made[header] = str(found)
    return made


def _status(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _seconds(
    value: Mapping[str, Any], durations: Sequence[tuple[Sequence[str], float]]
) -> float | None:
    for name, unit in durations:
        found = _first(value, [name])
        try:
            # nginx lists the times of several attempts, the last one being the one that counted.
            return float(str(found).replace(":", ",").split(",")[-1]) * unit
        except ValueError:
            continue
    return None


def _host_of(client: Any) -> str:
    """The client's address without its port."""
    text = "-" if client is None else str(client)
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        return host.strip("[]")
    return text
