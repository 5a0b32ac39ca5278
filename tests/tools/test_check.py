"""`l7proxy check`: problems, warnings and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from l7proxy.commands import main

POOLS = {"a": {"backends": ["a-1"]}, "b": {"backends": ["b-1"]}}


def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str, **config: Any) -> Any:
    """The exit status, and the lines on stdout and stderr without the file's name."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    status = main(["check", *words, str(file)])
    out, err = capsys.readouterr()
    return status, *(text.replace(f"{file}: ", "").splitlines() for text in (out, err))


def test_a_route_that_can_not_be_reached_is_named_with_the_one_in_its_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [
        {"path_pattern": "/x/*", "backend_pool": "a"},
        {"path_pattern": "/x/*", "backend_pool": "b", "name": "late"},
    ]
    warning = (
        "/routes/1: warning: late is never reached: /routes/0 (/x/*) takes all of its requests"
    )
    found = check(tmp_path, capsys, backend_pools=POOLS, routes=routes)
    assert found == (0, ["fine (2 pools, 2 routes)"], [warning])
    found = check(tmp_path, capsys, "--strict", backend_pools=POOLS, routes=routes)
    assert found == (2, [], [warning.replace("warning: ", "")])


@pytest.mark.parametrize(("written", "name"), [
    ("least_conn", "least-connections"), ("leastconn", "least-connections"),
    ("least-request", "least-connections"), ("weighted-round-robin", "round-robin"),
    ("round_robin", "round-robin"), ("consistent-hash", "ring-hash"),
    ("p2c", "power-of-two-choices"), ("weighted-random", "random"), ("ip_hash", "ip-hash"),
    ("hrw", "rendezvous"), ("peak_ewma", "least-time"), ("fill-first", "first"),
])  # fmt: skip
def test_another_name_of_an_algorithm_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, name: str
) -> None:
    note = f'/algorithm: note: "{written}" is another name for {name}'
    found = check(tmp_path, capsys, backends=["a:1"], algorithm=written)
    assert found == (0, [note, "fine (1 pool, 1 route)"], [])
    assert check(tmp_path, capsys, backends=["a:1"], algorithm=name)[1] == found[1][1:]


def test_a_table_size_that_is_no_prime_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = "/options/table_size: must be a prime number, which 10 is not"
    pool = {"backends": ["a:1"], "algorithm": "maglev", "options": {"table_size": 10}}
    assert check(tmp_path, capsys, **pool) == (2, [], [problem])


def test_a_pool_that_nothing_leads_to_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = POOLS | {"c": POOLS["a"], "d": POOLS["a"], "e": POOLS["a"]}
    routes = [
        {"path": "/1", "backend_pool": "a", "mirror": "b"},
        {"path": "/2", "split": {"pools": {"c": 1, "a": 1}}},
    ]
    found = check(tmp_path, capsys, backend_pools=pools, routes=routes, default="d")
    assert found[2] == ["/backend_pools/e: warning: no route leads to this pool"]


def test_conditions_that_are_hardly_meant_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [
        {"path": "/a/*", "backend_pool": "a"},
        {"path": "/b", "methods": ["GET", "Post", "purge"], "backend_pool": "b"},
    ]
    warning = [
        '/routes/0/path: warning: only the path "/a/*" itself, with its *, is like this;'
        ' did you mean "path_pattern"?',
        '/routes/1/methods/1: warning: methods are case-sensitive; did you mean "POST"?',
    ]
    found = check(tmp_path, capsys, backend_pools=POOLS, routes=routes)
    assert found == (0, ["fine (2 pools, 2 routes)"], warning)
    assert check(tmp_path, capsys, "--strict", backend_pools=POOLS, routes=routes)[0] == 2


def test_what_only_trusted_proxies_may_say_is_warned_of_where_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = {"requests_per_second": 1, "per": "header:x-forwarded-for"}
    pools = {"a": {"backends": ["a"], "rate_limit": limit}, "b": {"backends": ["b"]}}
    routes = [
        {"path": "/a", "backend_pool": "a", "rate_limit": {**limit, "per": "header:X-A"}},
        {"path": "/b", "backend_pool": "b", "headers": {"X-Forwarded-Proto": "https", "Via": "a"}},
        {"path": "/c", "backend_pool": "b", "headers": {"X_Forwarded_Proto": "https"}},
    ]
    none = "counts only from server.trusted_proxies, and there are none"
    alias = 'X_Forwarded_Proto counts from nobody; did you mean "X-Forwarded-Proto"?'
    warnings = [
        f"/routes/1/headers/X-Forwarded-Proto: warning: X-Forwarded-Proto {none}",
        f"/routes/2/headers/X_Forwarded_Proto: warning: {alias}",
        f"/backend_pools/a/rate_limit/per: warning: x-forwarded-for {none}",
    ]
    found = check(tmp_path, capsys, backend_pools=pools, routes=routes)
    assert found == (0, ["fine (2 pools, 3 routes)"], warnings)
    trusted = {"trusted_proxies": ["10.0.0.0/8"]}
    found = check(tmp_path, capsys, backend_pools=pools, routes=routes, server=trusted)
    assert found == (0, ["fine (2 pools, 3 routes)"], warnings[1:2])


@pytest.mark.parametrize(("pool", "where"), [
    ({"backends": ["a", {"address": "https://b"}]}, ["/backends"]),
    ({"backends": ["a"], "http": {"max_idle": 3}}, ["/http"]),
    ({"backends": ["a"], "http": {"max_idle": 3}, "upstream": "http"}, []),
    ({"backends": ["http://a"], "upstream": "http"}, []),
    ({"backends": ["a"], "http": {}}, []),
])  # fmt: skip
def test_a_simulated_pool_that_looks_as_if_it_had_http_backends_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pool: Any, where: list[str]
) -> None:
    warning = (
        'warning: its backends are simulated, and never asked; did you mean "upstream": "http"?'
    )
    expected = [f"/backend_pools/p{at}: {warning}" for at in where]
    assert check(tmp_path, capsys, backend_pools={"p": pool})[2] == expected
    assert check(tmp_path, capsys, **pool)[2] == [f"{at}: {warning}" for at in where]


def test_without_routes_there_is_nothing_to_warn_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = check(tmp_path, capsys, "--strict", backend_pools=POOLS)
    assert found == (0, ["fine (2 pools, 2 routes)"], [])


def test_a_configuration_that_answers_nothing_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warning = "warning: there is nothing here that takes a request: every one is answered 404"
    found = check(tmp_path, capsys, backend_pools={})
    assert found == (0, ["fine (0 pools, 0 routes)"], [f"/backend_pools: {warning}"])
    assert check(tmp_path, capsys, "--strict", backend_pools={})[0] == 2
    found = check(tmp_path, capsys, backend_pools={}, routes=[])
    assert found == (0, ["fine (0 pools, 0 routes)"], [f"/routes: {warning}"])
    found = check(tmp_path, capsys, backend_pools={}, default={"respond": {"status": 204}})
    assert found == (0, ["fine (0 pools, 0 routes)"], [])


def test_a_selector_that_does_not_pick_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = check(tmp_path, capsys, backends=["a:1"], algorithm="l7proxy.core:Selector")
    problem = '/algorithm: "l7proxy.core:Selector" has no method "pick" of its own'
    assert found == (2, [], [problem])


def test_every_problem_is_one_line_whatever_is_written_in_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = {"\x1b[2J\n": {"backends": ["a"], "algorithm": "rr"}}
    status, out, err = check(tmp_path, capsys, backend_pools=pools, routes=[], default="\r\x9b")
    assert (status, out, err) == (2, [], ['/default: no pool named "\\r\\x9b"'])
    status, out, err = check(tmp_path, capsys, backend_pools=pools, routes=[])
    assert err == ["/backend_pools/\\x1b[2J\\n: warning: no route leads to this pool",
                   "/routes: warning: there is nothing here that takes a request: "
                   "every one is answered 404"][::-1]  # fmt: skip
    assert out[0].startswith("/backend_pools/\\x1b[2J\\n/algorithm: note: ")


def test_problems_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = check(tmp_path, capsys, backend_pools=POOLS, default="c")
    assert (status, out, err) == (2, [], ['/default: no pool named "c"'])
