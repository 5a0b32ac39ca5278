"""A line of each log, and how the requests in lines look."""

from __future__ import annotations

from typing import Any

from l7proxy.core.config import SimulateConfig
from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats import (
    LoggedRequest,
    Traffic,
)
from l7proxy.tools.formats.format import Details
from l7proxy.tools.formats.registry import LOGS

COMBINED = (
    '192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /api/a?b=c HTTP/1.1" 200 2326 '
    '"http://e.org/" "curl/8"'
)


HAPROXY = (
    "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in "
    "static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu|curl} {} "
    '"GET /index.html HTTP/1.1"'
)


NGINX = {
    "msec": "1700000000.250",
    "remote_addr": "192.0.2.1",
    "request_method": "POST",
    "request_uri": "/api/a?b=c",
    "host": "example.com",
    "http_user_agent": "curl/8",
    "status": 201,
    "upstream_response_time": "0.010, 0.020",
}


ENVOY = {
    "start_time": "2023-11-14T22:13:20.250Z",
    "method": "GET",
    "path": "/api/a",
    "authority": "example.com",
    "response_code": 503,
    "duration": 40,
    "downstream_remote_address": "192.0.2.1:51234",
    "user_agent": "-",
}


CADDY = {
    "ts": 1700000000.25,
    "request": {
        "remote_ip": "2001:db8::1",
        "method": "GET",
        "host": "example.com",
        "uri": "/api/a",
        "headers": {"User-Agent": ["curl/8"], "X-A": ["1", "2"]},
    },
    "duration": 0.04,
    "status": 200,
}


TRAEFIK = {
    "StartUTC": "2023-11-14T22:13:20.250000000Z",
    "ClientHost": "192.0.2.1",
    "RequestMethod": "GET",
    "RequestPath": "/api/a",
    "RequestHost": "example.com",
    "OriginStatus": 200,
    "OriginDuration": 40_000_000,
    "DownstreamStatus": 200,
}


HAR = {
    "log": {
        "entries": [
            {
                "startedDateTime": "2023-11-14T22:13:20.250Z",
                "time": 40,
                "request": {
                    "method": "POST",
                    "url": "https://user@example.com:8443/api/a?b=c#d",
                    "headers": [
                        {"name": ":method", "value": "POST"},
                        {"name": "X-A", "value": "1"},
                        {"name": "X-A", "value": "2"},
                    ],
                    "postData": {"text": "hello"},
                },
                "response": {"status": 200},
            }
        ]
    }
}

MEMBERS = ("body", "client_ip", "cookies", "headers", "method", "simulate", "target")


def only(lines: list[str], **options: Any) -> tuple[float, HttpRequest]:
    """When the one request in these lines was made, in seconds since the first; and the request."""
    traffic = Traffic(lines, **options)
    ((_, at, request),) = traffic.requests()
    assert traffic.bad == 0
    return at, request


def read(name: str, line: str, **details: Any) -> LoggedRequest:
    """When the request in a line was made, in seconds since 1970; and the request."""
    return LOGS[name](Details(**details))(line)


def members(request: HttpRequest) -> dict[str, Any]:
    """All that there is in the request, but for what is empty."""
    found = {name: getattr(request, name) for name in MEMBERS}
    found["headers"] = list(request.headers)
    return {name: value for name, value in found.items() if value}


def simulate(**settings: Any) -> SimulateConfig:
    return SimulateConfig(**settings)
