"""What the tests of sticky sessions share: a proxy with one sticky pool, and requests to it."""

from __future__ import annotations

from random import Random
from typing import Any

from l7proxy.core import Exchange, Headers, HttpRequest, HttpResponse, Proxy, config_from
from l7proxy.core.http.messages import NO_HEADERS

KEY = b"a key of enough bytes"


def secrets(kind: str, name: str) -> bytes:
    """Keys by file or variable: `other` has another, `none` has none."""
    if name == "none":
        raise ValueError(f"{name}: nothing there")
    return {"other": b"quite another key", "short": b"short", "padded": KEY + b"\n"}.get(name, KEY)


def sticky_proxy(
    sticky: Any, backends: Any = ("a:1", "b:1", "c:1"), name: str = "web", **pool: Any
) -> Proxy:
    pools = {name: {"backends": list(backends), "sticky": sticky, **pool}}
    routes = [{"path_pattern": "/*", "backend_pool": name}]
    return Proxy(
        config_from({"backend_pools": pools, "routes": routes}), Random(0), secrets=secrets
    )


def open_with(proxy: Proxy, now: float = 0.0, cookie: str | None = None, **given: str) -> Exchange:
    headers = NO_HEADERS if cookie is None else Headers([("Cookie", cookie)])
    return proxy.open(HttpRequest("GET", "/", headers, cookies=given or None), now)


def name_of(exchange: Exchange) -> str | None:
    """The name of the backend that has the exchange now."""
    return None if exchange.backend is None else exchange.backend.name


def visit(
    proxy: Proxy,
    now: float = 0.0,
    cookie: str | None = None,
    *,
    sets: str | None = None,
    **given: str,
) -> tuple[str, str | None]:
    """The backend that answered, with `Set-Cookie: sets`, and what the client is told."""
    exchange = open_with(proxy, now, cookie, **given)
    assert exchange.backend is not None
    headers = None if sets is None else Headers([("Set-Cookie", sets)])
    exchange.answered(HttpResponse(200, headers), now)
    return exchange.backend.name, exchange.set_cookie


def pair_of(set_cookie: str | None) -> str:
    """What a browser sends back: the name and value, without the attributes."""
    assert set_cookie is not None
    return set_cookie.partition(";")[0]
