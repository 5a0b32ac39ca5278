"""The X-RateLimit fields of requests that are admitted."""

from __future__ import annotations

from l7proxy.core import Exchange, Headers, HttpResponse
from l7proxy.core.exchange_state import ENDED

from .test_rate_limit import ask, proxy_with


def said(exchange: Exchange) -> dict[str, str]:
    """The headers that the client gets once a backend has answered 200, if one is asked."""
    if exchange.state is not ENDED:
        exchange.answered(HttpResponse(200, Headers([("X-A", "b")])), 9)
    headers = exchange.response and exchange.response.headers
    return dict(headers or ())


def test_who_is_admitted_hears_of_the_limits_where_that_is_always_to_be_said() -> None:
    limit = {"requests_per_second": 0.5, "burst": 3}
    routes = [
        {"path_pattern": "/api/*", "backend_pool": "api"},
        {"path_pattern": "/web/*", "backend_pool": "web", "response_headers": {"remove": ["X-A"]},
         "rate_limit": {"requests_per_second": 1, "burst": 2}},
        {"path": "/own", "respond": {"status": 204}},
    ]  # fmt: skip
    limits = {"per_ip": limit, "headers": "always"}
    proxy = proxy_with(rate_limits=limits, routes=routes)
    left = {"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "2"}
    assert said(ask(proxy)) == {"X-A": "b", **left}
    # Of several limits the one is told of that is nearest to being exceeded.
    left = {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1"}
    assert said(ask(proxy, path="/web", client="10.0.0.2")) == left
    left = {"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "4"}
    assert said(ask(proxy, path="/own")) == left
    assert "Retry-After" not in said(ask(proxy))
    assert "Retry-After" in said(ask(proxy))


def test_who_counts_against_no_limit_hears_of_none() -> None:
    tier = {"gold": {"requests_per_second": 1, "burst": 2}}
    proxy = proxy_with(rate_limits={"per_api_key": tier, "headers": "always"})
    assert said(ask(proxy)) == {"X-A": "b"}
    assert said(ask(proxy, X_API_Key="k"))["X-RateLimit-Remaining"] == "1"
    proxy = proxy_with(rate_limits={"per_api_key": tier})
    assert said(ask(proxy, X_API_Key="k")) == {"X-A": "b"}
