"""JSON access logs, an object in each line: nginx's, Envoy's, Caddy's, Traefik's, or your own.

Another one needs only an entry in `PRESETS`: which fields it has, as `fields` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from l7proxy.tools.formats.fields import (
    FieldNames,
    known_fields,
    no_header,
    parse_mapping,
    request_reader,
)
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import BadLine, LoggedRequest, LogReader, decode_json

PRESETS: dict[str, FieldNames] = {
    "nginx-json": {
        "time": ("msec", "time_iso8601", "time_local", "time", "timestamp", "@timestamp"),
        "client": ("remote_addr", "client", "client_ip"),
        "method": ("request_method", "method"),
        "path": ("uri", "path"),
        "query": ("args", "query_string"),
        "target": ("request_uri",),
        "request": ("request",),
        "host": ("host", "http_host", "server_name"),
        "user_agent": ("http_user_agent", "user_agent", "agent"),
        "referer": ("http_referer", "http_referrer", "referer"),
        "status": ("status",),
        "duration": ("upstream_response_time:s", "request_time:s"),
    },
    "envoy-json": {
        "time": ("start_time", "timestamp"),
        "client": (
            "downstream_remote_address",
            "x_forwarded_for",
            "x-forwarded-for",
            "downstream_remote_ip",
        ),
        "method": ("method", ":method"),
        "path": (
            "x_envoy_original_path",
            "x-envoy-original-path",
            "x-envoy-origin-path",
            "path",
            ":path",
        ),
        "host": ("authority", ":authority", "host"),
        "user_agent": ("user_agent", "user-agent"),
        "referer": ("referer",),
        "status": ("response_code",),
        "duration": (
            "x_envoy_upstream_service_time:ms",
            "x-envoy-upstream-service-time:ms",
            "duration:ms",
        ),
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

_WHO = {
    "nginx-json": "nginx, with a `log_format` that is JSON",
    "envoy-json": "Envoy, Istio and Envoy Gateway, as JSON",
    "caddy": "Caddy",
    "traefik": "Traefik, as JSON",
}


def variables_header(name: str) -> str | None:
    """Returns the header that a variable of nginx has: `X-A` for `http_x_a`."""
    return name[5:].replace("_", "-").title() if name.startswith("http_") else None


def _traefiks_header(name: str) -> str | None:
    return name[8:] if name.startswith("request_") else None


_HEADER_OF = {"nginx-json": variables_header, "traefik": _traefiks_header}


def _reader(
    preset: FieldNames, header_of: Callable[[str], str | None], details: Details
) -> LogReader:
    """Raises ValueError where `details.mapping` makes no sense."""
    mapping = parse_mapping(details.mapping, preset)
    read_fields = request_reader(mapping, as_logged=details.as_logged, header_of=header_of)

    def read(line: str) -> LoggedRequest:
        value = decode_json(line)
        if not isinstance(value, dict):
            raise BadLine("not a JSON object")
        return read_fields(value)

    return read


def _fits(preset: FieldNames, value: Mapping[str, Any]) -> int:
    found = known_fields(value, preset)
    return found if found > 1 else 0


def _sign(preset: FieldNames) -> str:
    shown = [
        f"`{preset[wanted][0].partition(':')[0] or preset[wanted][0]}`"
        for wanted in ("time", "request", "target", "path", "status")
        if wanted in preset
    ]
    return f"JSON objects with fields such as {', '.join(shown)}"


FORMATS = tuple(
    Format(
        name,
        what=_WHO[name],
        sign=_sign(preset),
        reader=partial(_reader, preset, _HEADER_OF.get(name, no_header)),
        fits=partial(_fits, preset),
        takes=("mapping",),
    )
    for name, preset in PRESETS.items()
)
"""Told by the fields: a log is of the one that knows most of what is in its lines."""

OWN = Format(
    "json",
    what="anything, with JSON objects as lines",
    sign="not at all: `--map` names its fields",
    reader=partial(_reader, {}, no_header),
    takes=("mapping",),
)
