"""What a log has of a request's headers, the request has: routes ask for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7proxy.tools.formats import Traffic
from tests.tools.formats.logs import NGINX, TRAEFIK

IIS = ["2023-11-14", "22:13:20", "GET", "/a", "192.0.2.1"]


def in_columns(separator: str, *more: str) -> str:
    """A log in columns, these ones with their values behind those that are in all."""
    names = ["date", "time", "cs-method", "cs-uri-stem", "c-ip", *more[::2]]
    return f"#Fields: {' '.join(names)}\n{separator.join([*IIS, *more[1::2]])}"


def headers(text: str, **details: Any) -> dict[str, str]:
    """The headers of the only request of a log, but for those that all of these logs have."""
    ((_, _, request),) = Traffic(text.splitlines(), **details).requests()
    return {
        name: value
        for name, value in request.headers or ()
        if name not in ("Host", "User-Agent", "Referer")
    }


@pytest.mark.parametrize(("log", "found"), [
    (json.dumps({**NGINX, "http_x_a": "1", "http_cookie": "u=1; v=2", "http_x_b": "-"}),
     {"X-A": "1", "Cookie": "u=1; v=2"}),
    (json.dumps({**NGINX, "http_x_a": "", "http_": "1", "x_a": "1"}), {}),
    (json.dumps({**TRAEFIK, "request_X-A": "1", "origin_X-B": "2"}), {"X-A": "1"}),
    (in_columns(" ", "cs(X-A)", "1+2", "cs(Cookie)", "u=1;+v=2", "sc(X-B)", "3"),
     {"X-A": "1 2", "Cookie": "u=1; v=2"}),
    (in_columns("\t", "x-edge-location", "FRA", "cs(Cookie)", "u=1;%20v=2", "cs(Host)", "h"),
     {"Cookie": "u=1; v=2"}),
])  # fmt: skip
def test_a_field_of_a_log_that_is_a_header_is_one(log: str, found: dict[str, str]) -> None:
    assert headers(log) == found


def test_where_a_header_is_can_be_said_in_its_stead() -> None:
    log = json.dumps({**NGINX, "http_x_a": "1", "real": "2"})
    assert headers(log, mapping=["header:X-A=real"]) == {"X-A": "2"}
