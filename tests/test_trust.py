"""What a client says about where it comes from: the node, serve and the tools believe the same."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.http.messages import Headers, HttpRequest
from l7proxy.tools import explain
from tests.server.in_memory import CLIENT
from tests.test_one_grammar import Doors, configured, lines_of

ROUTES: list[dict[str, Any]] = [
    {"name": "peer", "path_pattern": "/*", "client_ip": "192.0.2.0/24"},
    {"name": "inside", "path_pattern": "/*", "client_ip": "10.0.0.0/8"},
    {"name": "secure", "path_pattern": "/*", "headers": {"X-Forwarded-Proto": "https"}},
    {"name": "alias", "path_pattern": "/*", "headers": {"X_Forwarded_Proto": {"present": True}}},
    {"name": "other", "path_pattern": "/*"},
]
NOBODY: dict[str, Any] = {}
TRUSTED: dict[str, Any] = {"server": {"trusted_proxies": ["192.0.2.0/24", "10.1.0.0/16"]}}


def asked(headers: dict[str, Any], routes: list[dict[str, Any]], **more: Any) -> str:
    """The route that node, serve and explain take for a request of `CLIENT`."""
    outcome = Doors(routes, **more).ask(path="/", headers=headers)
    assert outcome.asked is not None
    request = HttpRequest("GET", "/", Headers(lines_of({"headers": headers})), CLIENT)
    explained = explain.explain(configured(routes, "simulated", **more), request, 0)
    assert str(explained.route) == outcome.asked.route
    return outcome.asked.route


@pytest.mark.parametrize(("claimed", "route"), [
    ("203.0.113.7", "other"),
    ("203.0.113.7:51234", "other"),
    ("[2001:db8::7]:443", "other"),
    ("203.0.113.7,", "other"),
    ("10.2.3.4, 203.0.113.7, ,192.0.2.9", "other"),
    (["10.2.3.4", "203.0.113.7"], "other"),
    ("203.0.113.7, somebody", "other"),
    ("203.0.113.7, 192.0.2.1.", "other"),
    ("10.2.3.4", "inside"),
    ("203.0.113.7, ::ffff:10.2.0.2", "inside"),
    ("203.0.113.7, 10.2.3.4:80, 10.1.0.2", "inside"),
    ("", "peer"),
    (" ,", "peer"),
])  # fmt: skip
def test_what_a_trusted_proxy_passes_on_is_its_clients(
    claimed: str | list[str], route: str
) -> None:
    assert asked({"X-Forwarded-For": claimed}, ROUTES, **TRUSTED) == route
    assert asked({"X-Forwarded-For": claimed}, ROUTES) == "peer"


@pytest.mark.parametrize(
    "name", ["X-Forwarded-Proto", "x-forwarded-proto", "X_Forwarded_Proto", "X.Forwarded.Proto"]
)
def test_a_claim_steers_no_route_unless_a_trusted_proxy_makes_it(name: str) -> None:
    believed = "secure" if name.count("-") == 2 else "other"
    assert asked({name: "https"}, ROUTES[2:]) == "other"
    assert asked({name: "https"}, ROUTES[2:], **TRUSTED) == believed


def test_a_claim_walks_round_no_limit() -> None:
    limit = {"requests_per_second": 1e-6, "burst": 2}
    routes = [{"name": "all", "path_pattern": "/*", "rate_limit": {**limit, "per": "client_ip"}}]
    doors = Doors(routes, **TRUSTED)
    for spelled in ("2001:db8::7", "2001:DB8::7", "[2001:db8:0::7]:1", "2001:db8:0:0:0:0:0:7"):
        status = doors.ask(path="/", headers={"X-Forwarded-For": spelled}).status
    assert status == 429
    doors = Doors(routes)
    for number in range(3):
        status = doors.ask(path="/", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status
    assert status == 429


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X_Forwarded_For", "x.forwarded~for", "X-Forwarded-", "Forwarded"]
)
def test_no_claim_of_a_client_reaches_a_backend(name: str) -> None:
    doors = Doors(ROUTES)
    doors.ask(path="/", headers={name: "6.6.6.6", "X-Other": "a"})
    for door in (doors.node, doors.wire):
        assert ("x-other", "a") in door.fields
        assert not any("6.6.6.6" in value for _, value in door.fields)
