"""What is worked out once for a request head, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.core.routing import Router
from l7proxy.http1 import RequestParser
from l7proxy.server.prepared import Prepared

POOLS = {name: {"backends": [f"{name}:1"]} for name in ("near", "far")}
HEAD = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"


def prepared(*routes: dict[str, Any], head: bytes = HEAD) -> Prepared:
    config = config_from({"backend_pools": POOLS, "routes": list(routes)})
    parsed = RequestParser().parse(head)
    assert parsed is not None
    return Prepared(parsed[0], Router(config.effective_routes), "127.0.0.1")


@pytest.mark.parametrize(("conditions", "pool"), [
    ({}, "near"),
    ({"host": "a.example", "headers": {"Host": {"present": True}}}, "near"),
    ({"host": "b.example"}, "far"),
    ({"methods": ["POST"]}, "far"),
])  # fmt: skip
def test_the_route_of_a_head_is_kept_with_it(conditions: dict[str, Any], pool: str) -> None:
    ready = prepared(
        {"path": "/x", **conditions, "backend_pool": "near"},
        {"path_pattern": "/*", "backend_pool": "far"},
    )
    assert ready.route is not None and ready.route.pool_name == pool


def test_where_a_route_asks_who_the_client_is_each_request_is_looked_at() -> None:
    ready = prepared(
        {"path": "/x", "client_ip": "10.0.0.0/8", "backend_pool": "near"},
        {"path_pattern": "/*", "backend_pool": "far"},
    )
    assert ready.parsed is not None
    assert ready.route is None


def test_a_head_that_no_route_matches_or_whose_target_is_refused_has_none() -> None:
    assert prepared({"path": "/y", "backend_pool": "near"}).route is None
    refused = prepared({"path": "/x", "backend_pool": "near"}, head=HEAD.replace(b"/x", b"/%2F"))
    assert refused.parsed is None
    assert refused.route is None
