"""The router against the rule it compiles, and the points of the rule one by one."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.core import Headers, HttpRequest, config_from
from l7proxy.core.config.routes import TESTED as FIELDS_TESTED
from l7proxy.core.config.routes import ValueMatchConfig
from l7proxy.core.http.target import parse_target
from l7proxy.core.routing import Router
from l7proxy.core.routing.conditions import MAKERS
from l7proxy.core.routing.conditions import TESTS as VALUE_TESTS
from l7proxy.core.routing.router import MOST_REMEMBERED
from tests.core.routing.reference import allowed, choose

SEGMENTS = ("a", "b", "ab", "v", "v1", "v12", "users", "x.y")
HOSTS = ("example.com", "a.example.com", "b.a.example.com", "other.org", "org")

REGEXES = ("/.*", "/a/.*", "/(a|b)", "/v[0-9]+(/.*)?", "/users/(?P<id>[^/]+)", "/.*b", "/", ".*y")
STARRED = ("*", "v*", "*1", "a*b", "*")
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "::1", "2001:db8::/32")
TESTS: tuple[Any, ...] = (
    "1",
    "2",
    {"exact": ["1", "2"]},
    {"prefix": "1"},
    {"regex": "[12]+"},
    {"present": True},
    {"present": False},
)
FIELDS = ("X-A", "x-b")


def some_path(random: Random) -> str:
    parts = random.choices(SEGMENTS, k=random.randint(0, 4))
    return "/" + "/".join(parts) + random.choice(("", "", "/") if parts else ("",))


def some_pattern(random: Random) -> str:
    return "/" + "/".join(random.choices(SEGMENTS + STARRED, k=random.randint(1, 4)))


def one_or_more(random: Random, choices: Sequence[str]) -> str | list[str]:
    return random.choice(choices) if random.randint(0, 1) else random.sample(choices, 2)


def some_route(random: Random) -> dict[str, Any]:
    route: dict[str, Any] = {"backend_pool": "p"}
    way = random.randint(0, 9)
    if way < 2:
        route["path"] = some_path(random)
    elif way < 7:
        route["path_pattern"] = some_pattern(random)
    elif way < 9:
        route["path_regex"] = random.choice(REGEXES)
    if random.randint(0, 1):
        wildcards = tuple("*." + host for host in HOSTS)
        route["host"] = one_or_more(random, (*HOSTS, *wildcards, "Example.COM"))
    if random.randint(0, 3) == 0:
        route["methods"] = random.sample(["GET", "PUT", "POST"], random.randint(1, 2))
    for key in ("headers", "query", "cookies"):
        if random.randint(0, 4) == 0:
            names = random.sample(FIELDS, random.randint(0, 2))
            route[key] = {name: random.choice(TESTS) for name in names}
    if random.randint(0, 5) == 0:
        route["client_ip"] = one_or_more(random, NETWORKS)
    return route


def some_pairs(random: Random) -> list[tuple[str, str]]:
    return [
        (random.choice(FIELDS), random.choice(("1", "2", "12", "", "3")))
        for _ in range(random.randint(0, 2))
    ]


def some_request(random: Random) -> dict[str, Any]:
    return {
        "method": random.choice(("GET", "PUT", "POST")),
        "host": random.choice((*HOSTS, "x.org", "")),
        "path": some_path(random),
        "query": "&".join(f"{key}={value}" for key, value in some_pairs(random)) or None,
        "headers": [(key.upper(), value) for key, value in some_pairs(random)],
        "cookies": dict(some_pairs(random)),
        "ip": random.choice(("10.0.0.1", "10.1.2.3", "::1", "2001:db8::7", "c1", "")),
    }


def as_http(request: dict[str, Any]) -> HttpRequest:
    headers = list(request.get("headers", []))
    if request["host"]:
        headers.append(("Host", request["host"].upper() + ":8080"))
    query = request.get("query")
    return HttpRequest(
        request["method"],
        request["path"] + ("" if query is None else "?" + query),
        Headers(headers),
        client_ip=request.get("ip", ""),
        cookies=request.get("cookies"),
    )


def router_for(routes: list[dict[str, Any]]) -> Router:
    config = config_from({"backend_pools": {"p": {"backends": ["a"]}}, "routes": routes})
    return Router(config.effective_routes)


def winner(routes: list[dict[str, Any]], request: dict[str, Any]) -> int | None:
    http = as_http(request)
    route = router_for(routes).match(http, parse_target(http))
    return None if route is None else route.index


def check_against_the_rule(random: Random) -> None:
    table = [some_route(random) for _ in range(random.randint(0, 9))]
    router = router_for(table)
    for _ in range(3):
        request = some_request(random)
        http = as_http(request)
        target = parse_target(http)
        route = router.match(http, target)
        assert (None if route is None else route.index) == choose(table, request), (table, request)
        if route is None:
            local_reply, allow = router.refusal(http, target)
            methods = allowed(table, request)
            assert local_reply.status == (405 if methods else 404)
            assert set((allow or "").split(", ")) - {""} == methods


@settings(max_examples=20_000)
@given(st.integers(0, 2**64))
def test_the_router_agrees_with_the_rule_on_any_table(seed: int) -> None:
    check_against_the_rule(Random(seed))


@given(st.randoms(use_true_random=False))
def test_it_does_on_small_tables_which_hypothesis_can_make_smaller(random: Random) -> None:
    check_against_the_rule(random)


def test_query_parameters_are_decoded_as_forms_are() -> None:
    routes = [{"query": {"a b": "é &"}, "backend_pool": "p"}]
    asked = HttpRequest("GET", "/?x&&a+b=%C3%A9+%26")
    assert router_for(routes).match(asked, parse_target(asked)) is not None


def test_the_tables_of_a_host_are_remembered_by_its_spelling_and_not_for_ever() -> None:
    router = router_for([{"host": "*.x.org", "backend_pool": "p"}])
    few = ("a.x.org", "B.X.ORG:80", "y.org", "c.x.org", "x.org", "d" * 300 + ".x.org")
    many = (f"{number}.x.org" for number in range(MOST_REMEMBERED + 3))
    for hosts in (few, few, many, few):
        for host in hosts:
            request = HttpRequest("GET", "/", Headers([("Host", host)]))
            found = router.match(request, parse_target(request))
            assert (found is not None) is (host.lower().partition(":")[0].endswith(".x.org"))


def test_every_condition_that_a_configuration_may_have_is_made() -> None:
    assert tuple(MAKERS) == FIELDS_TESTED
    assert tuple(VALUE_TESTS) == ValueMatchConfig.exactly_one


def test_an_ipv6_host_is_the_same_however_it_is_written() -> None:
    hosts = ("[2001:DB8:0:0::1]", "[1:0::A]")
    routes = [{"host": host, "path": "/", "respond": {}} for host in hosts]
    for host, taken in (("[2001:db8::1]:80", 0), ("[2001:0DB8::0001]", 0), ("[1::a]", 1)):
        request = HttpRequest("GET", "/", Headers([("Host", host)]))
        route = router_for(routes).match(request, parse_target(request))
        assert route is not None and route.index == taken
