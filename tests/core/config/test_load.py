"""From JSON text to a configuration, or to every problem in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7proxy.core.config import ConfigError, amended, config_from, parse_config


def problems(value: Any) -> list[str]:
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_seeds_form_is_the_whole_of_a_configuration() -> None:
    config = parse_config('{"backend_pools": {"a": {"backends": ["x:1", "y:2"]}}}')
    pool = config.backend_pools["a"]
    assert (pool.algorithm, pool.backend_names) == ("round-robin", ("x", "y"))
    (route,) = config.effective_routes
    assert route.path_pattern == "/a/*"


def test_backends_at_the_top_are_one_pool_that_takes_every_path() -> None:
    config = config_from({"backends": ["x:1"], "algorithm": "least-connections"})
    assert config.backend_pools["default"].algorithm == "least-connections"
    assert [route.path_pattern for route in config.effective_routes] == ["/*"]
    assert config.pool_pointer("default") == ""


def test_every_key_of_a_pool_may_stand_at_the_top_where_there_is_only_one() -> None:
    pool = {"backends": ["x:1"], "health": {"rise": 1}, "upstream": "http", "slow_start": 3,
            "rate_limit": {"requests_per_second": 1}, "simulate": {"status": 201}}  # fmt: skip
    rest = {"paths": {"merge_slashes": False}, "server": {"via": "edge"}, "default": "default"}
    config = config_from(pool | rest)
    whole = config_from({"backend_pools": {"default": pool}, **rest})
    assert config.backend_pools == whole.backend_pools
    assert (config.paths, config.server, config.default) == (
        whole.paths, whole.server, whole.default,
    )  # fmt: skip
    assert whole.pool_pointer("default") == "/backend_pools/default"


@pytest.mark.parametrize("value", [
    {"routes": [{"path": "/old", "redirect": {"location": "/new"}}]},
    {"default": {"respond": {"status": 204}}},
])  # fmt: skip
def test_where_no_pool_is_needed_none_need_be_there(value: Any) -> None:
    assert config_from(value).backend_pools == {}


@pytest.mark.parametrize("value", [{"backends": ["x"]}, {"backend_pools": {}}])
def test_an_editor_s_schema_may_be_named_and_means_nothing(value: Any) -> None:
    named = {"$schema": "https://example.com/l7proxy.json", **value}
    assert config_from(named).backend_pools == config_from(value).backend_pools
    config = config_from(value)
    assert amended(config, {"$schema": "x"}) is config
    assert problems({**value, "$schema": 3}) == ["/$schema: must be a string, not a number"]


def test_a_configuration_is_amended_with_what_has_a_key_of_its_own() -> None:
    config = config_from({"backend_pools": {"a": {"backends": ["x"]}}})
    assert amended(config, {"name": "n", "version": 3, "notes": []}) is config
    routes = [{"path": "/", "backend_pool": "a"}]
    assert amended(config, {"routes": routes, "seed": 1}).routes is not None
    assert amended(config, {"backends": ["y"], "seed": 1}).backend_pools.keys() == {"default"}


@pytest.mark.parametrize(("value", "expected"), [
    ({"health": {}}, ["/health: needs backends beside it"]),
    ({"routs": [], "rate_limits": {"per_ip": {}}},
     ['/routs: unknown key; did you mean "routes"?',
      '/rate_limits/per_ip: "requests_per_second" is missing']),
    ({"backend_pool": {}, "backends": []},
     ['/backend_pool: unknown key; did you mean "backend_pools"?',
      "/backends: needs at least 1 element(s)"]),
    ({"routes": [{"path": "/", "backend_pool": "b"}]},
     ['/routes/0/backend_pool: no pool named "b"']),
])  # fmt: skip
def test_an_amendment_that_is_wrong_or_nearly_a_key_is_refused(value: Any, expected: Any) -> None:
    config = config_from({"backend_pools": {"a": {"backends": ["x"]}}})
    with pytest.raises(ConfigError) as caught:
        amended(config, value)
    assert list(map(str, caught.value.problems)) == expected


@pytest.mark.parametrize(("value", "expected"), [
    ("{", ["not JSON: Expecting property name enclosed in double quotes (line 1, column 2)"]),
    (b"\xff", ["not UTF-8: byte 0 is 0xff"]),
    ("1" * 5000, ["not usable JSON: Exceeds the limit (4300 digits) for integer string conversion: "
                  "value has 5000 digits"]),
    ("[" * 100_000, ["nested more than 200 deep"]),
    ('{"backend_pools": NaN}', ["not usable JSON: NaN is not a JSON value"]),
    ("[]", ["the configuration must be a JSON object"]),
    ('{"backends": ["a"], "backends": ["b"]}', ["/backends: is written more than once"]),
    ({"backend_pools": {"a": {"backends": ["x:1", "x:1"]}}},
     ['/backend_pools/a/backends/1: a backend named "x:1" is in this pool already']),
    ({"backends": ["x:0"]},
     ['/backends/0: "x:0": the port must be a number from 1 to 65535']),
    ({"backends": ["x"], "algorithm": "slowest"}, ['/algorithm: no selector named "slowest"']),
    ({"backends": ["x"], "options": {"points": 1}}, ["/options/points: unknown key"]),
    ({"backends": ["x"], "health": {"rise": 0}, "server": {"via": ""}},
     ["/health/rise: must be at least 1, not 0", '/server/via: "" must be a name']),
    ({"backends": ["x"], "algoritm": "first"},
     ['/algoritm: unknown key; did you mean "algorithm"?']),
    ({"backends": ["x"], "routes": []},
     ['/routes: a pool that stands at the top takes every request; '
      'to have routes, write it inside "backend_pools"']),
    ({"backends": ["x"], "backend_pools": {"a": {"backends": ["x"]}}},
     ['/backends: is a pool\'s: write it inside "backend_pools"']),
    ({"algorithm": "first", "backend_pool": {}},
     ['/algorithm: is a pool\'s: write it inside "backend_pools", or "backends" beside it',
      '/backend_pool: unknown key; did you mean "backend_pools"?', '"backend_pools" is missing']),
    ({"backends": ["x"], "default": {"backend_pool": "default", "rewrite": {"strip_prefix": "/%"}}},
     ['/default/rewrite/strip_prefix: "/%" begins no path']),
])  # fmt: skip
def test_what_is_wrong_is_refused(value: Any, expected: list[str]) -> None:
    found = problems(value)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


def test_problems_of_every_kind_are_found_together() -> None:
    found = problems({
        "backend_pools": {
            "users": {"backends": ["a", "a"], "algoritm": "x", "timeouts": {"attempt": "soon"}},
            "posts": {"backends": [{"address": "p", "weight": 0}], "algorithm": "slowest"},
        },
        "routes": [
            {"path": "/u", "backend_pool": "user"},
            {"path": 5, "backend_pool": "post"},
        ],
        "colour": "blue",
    })  # fmt: skip
    assert [line.partition(":")[0] for line in found] == [
        "/colour",
        "/backend_pools/users/algoritm",
        "/backend_pools/users/timeouts/attempt",
        "/backend_pools/users/backends/1",
        "/backend_pools/posts/backends/0/weight",
        "/backend_pools/posts/algorithm",
        "/routes/1/path",
        "/routes/0/backend_pool",
        "/routes/1/backend_pool",
    ]


def test_a_backend_is_named_by_its_host_its_address_or_as_it_says() -> None:
    backends = ["a:1", "b:1", "b:2", {"address": "c:1", "name": "d"}]
    config = config_from({"backends": backends})
    assert config.backend_pools["default"].backend_names == ("a", "b:1", "b:2", "d")


def test_a_simulated_backend_may_be_given_by_its_name_alone() -> None:
    backends = [{"name": "large", "weight": 10}, "small:80", {"name": "a b:c"}, "large:80"]
    pool = config_from({"backends": backends}).backend_pools["default"]
    assert pool.backend_names == ("large", "small", "a b:c", "large:80")


@pytest.mark.parametrize(("pool", "problem"), [
    ({"backends": ["a", {"name": "b"}], "upstream": "http"}, '/backends/1: "address" is missing'),
    ({"backends": [{"name": "b"}], "upstream": "envelope"}, '/backends/0: "address" is missing'),
    ({"backends": [{"weight": 1}]}, '/backends/0: "address" is missing'),
    ({"backends": [{"name": "a"}, "a"]},
     '/backends/1: a backend named "a" is in this pool already'),
])  # fmt: skip
def test_a_backend_that_is_to_be_asked_needs_an_address(pool: dict[str, Any], problem: str) -> None:
    assert problems(pool) == [problem]


@pytest.mark.parametrize("interval", [1e-6, 0, 0.0009])
def test_checks_are_at_least_a_millisecond_apart(interval: float) -> None:
    with pytest.raises(ConfigError) as refused:
        config_from({"backends": ["a"], "health": {"interval": interval}})
    assert str(refused.value) == f"/health/interval: must be at least 0.001, not {interval}"


@pytest.mark.parametrize("simulate", [
    {"headers": {"Transfer-Encoding": "chunked"}},
    {"headers": {"Connection": ["close"]}},
    {"paths": {"/a": {"headers": {"content-length": "1"}}}},
])  # fmt: skip
def test_what_simulated_backends_answer_can_not_say_how_it_is_cut(simulate: object) -> None:
    with pytest.raises(ConfigError, match=r"/headers: .* can't be set here"):
        config_from({"backends": ["a"], "simulate": simulate})
