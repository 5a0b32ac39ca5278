"""`l7proxy explain`: asked as with curl, answered as a tree or as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from random import Random
from typing import Any

import pytest

from l7proxy.core import HttpRequest, Selector
from l7proxy.core.config import config_from
from l7proxy.core.pool.backend import Backend
from l7proxy.tools import explain
from tests.tools.here import run

CONFIG: dict[str, Any] = {
    "backend_pools": {
        "api": {
            "backends": [
                {"address": "a:80", "weight": 2, "simulate": {"latency": 0.5, "status": 503}},
                "b:80",
            ],
            "retries": {"retry_on": [503]},
            "rate_limit": {"requests_per_second": 1, "burst": 5},
        },
        "old": {"backends": ["o:80"]},
    },
    "routes": [
        {"path_pattern": "/api/*", "backend_pool": "api", "rewrite": {"strip_prefix": "/api"}},
        {"path_pattern": "/api/old/*", "backend_pool": "old", "methods": ["PUT"], "name": "old"},
        {"host": "example.org", "path_pattern": "/*", "backend_pool": "old"},
    ],
}


def asked(*words: str, config: Any = None, **more: Any) -> Any:
    request = explain.request_from(words, **more)
    return explain.explain(config_from(config or CONFIG), request, 0)


def tree(*words: str, config: Any = None, colour: bool = False, **more: Any) -> str:
    return explain.as_tree(asked(*words, config=config, **more), explain.Paint(wanted=colour))


def test_the_tree_shows_the_way_of_a_request_from_route_to_backend() -> None:
    assert (
        tree("https://example.com/api/old/x")
        == """\
GET /api/old/x
200 from b
├─ route    /api/*, asked for as /old/x
│  ├─ old             the method must be PUT
│  └─ example.org /*  the host must be example.org
├─ limit    pool api: 4 of 5 left for ""
├─ pool     api, round-robin: the largest current weight after each has grown by its weight; \
the first of equals
├─ attempt  1: a, status 503 after 0.5 s
│  ├─ current weights: a 0, b 0
│  ├─ a  eligible  up, weight 2, 0 in flight
│  └─ b  eligible  up, weight 1, 0 in flight
└─ attempt  2: b, status 200
   ├─ current weights: a -1, b 1
   ├─ a  left out  up, weight 2, 1 in flight; this request was tried on it before
   └─ b  eligible  up, weight 1, 0 in flight
"""
    )


def test_why_there_is_no_route_or_no_good_request_is_said() -> None:
    assert "└─ route    none matches\n" in tree("/nowhere")
    assert tree("GET", "/\\x").endswith("400: bad request: the path has a backslash\n")
    assert "400: bad request: " in tree("GET", "*")


def test_a_request_that_the_routes_can_not_be_asked_about_is_shown_with_the_reason() -> None:
    reason = 'bad request: "a b" is not a host'
    assert tree("/x", headers=["Host: a b"]) == f"GET /x\n400: {reason}\n└─ route    {reason}\n"


def test_a_header_s_name_is_taken_as_it_is_written() -> None:
    request = explain.request_from(["/"], headers=["X-A:\t b "])
    assert list(request.headers) == [("X-A", "b")]
    assert tree("/x", headers=["X-A : b"]).startswith(
        'GET /x\n400: bad request: "X-A " is not a field name\n'
    )


def test_a_named_route_is_shown_with_its_pattern() -> None:
    assert "├─ route    old (/api/old/*)\n" in tree("PUT", "/api/old/x")


def test_a_wait_and_an_attempt_that_was_not_repeated_are_shown() -> None:
    pool = {"backends": [{"address": "a:80", "simulate": {"status": 503}}],
            "retries": {"retry_on": [503], "attempts": 2}, "algorithm": "random"}  # fmt: skip
    text = tree("/p", config={"backend_pools": {"p": pool}})
    assert "status 503; not tried again: no other backend could be used in time" in text
    assert "drawn: a" in text
    pool = {"backends": ["a:80", "b:80"], "simulate": {"faults": [{"fault": "refuse"}]},
            "retries": {"backoff": 1}}  # fmt: skip
    assert "wait     the time before another attempt, " in tree(
        "/p", config={"backend_pools": {"p": pool}}
    )


def test_colours_are_for_terminals() -> None:
    assert "\x1b[32m200 from b\x1b[0m" in tree("/api/x", colour=True)
    assert "\x1b" not in tree("/api/x")


def test_names_and_paths_reach_the_terminal_without_their_control_characters() -> None:
    config = {
        "backend_pools": {"p\n": {"backends": [{"address": "a:80", "name": "\x1b[2Ja"}]}},
        "routes": [{"path": "/", "backend_pool": "p\n", "name": "\rhome"},
                   {"path": "/x", "backend_pool": "p\n", "name": "\u202e"}],
    }  # fmt: skip
    shown = tree("/", config=config)
    assert shown == tree("/", config=config, colour=True).replace("\x1b[0m", "").replace(
        "\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[32m", "")  # fmt: skip
    assert all(line.isprintable() for line in shown.splitlines())
    for text in ("200 from \\x1b[2Ja", "\\rhome", "\\u202e", "pool     p\\n, "):
        assert text in shown
    assert tree("/\x1b[2J").startswith("GET /\\x1b[2J\n400: ")


def test_a_request_is_put_together_as_curl_does_it() -> None:
    request = explain.request_from(
        ["http://example.com:8080/a?b=c"],
        headers=["X-A: b", "X-B:"],
        data=["x=1", "y=2"],
        cookies=["s=1; t=2", "u=3"],
        client_ip="192.0.2.1",
    )
    assert (request.method, request.target, request.body) == ("POST", "/a?b=c", b"x=1&y=2")
    assert list(request.headers) == [
        ("Host", "example.com:8080"),
        ("X-A", "b"),
        ("X-B", ""),
        ("Cookie", "s=1; t=2; u=3"),
    ]
    assert request.client_ip == "192.0.2.1"
    assert explain.request_from(["PUT", "/a"], method="PATCH").method == "PATCH"
    own = explain.request_from(["http://a/"], headers=["host: b"])
    assert list(own.headers) == [("host", "b")]


@pytest.mark.parametrize(("words", "headers", "complaint"), [
    (["GET", "/a", "/b"], [], "one URL"),
    (["ftp://a/b"], [], "not an http URL"),
    (["GET"], [], "^GET what\\? give a path, as in GET /, or a URL$"),
    (["GET", "GET"], [], '^"GET" is neither a path'),
    (
        ["example.com/api/x"],
        [],
        '^"example.com/api/x" is neither a path, which begins with /, nor a URL; '
        'did you mean "http://example.com/api/x" or "/example.com/api/x"\\?$',
    ),
    (["/"], ["X-A"], 'must be a header, as in "Name: value"'),
])  # fmt: skip
def test_what_can_not_be_asked_is_refused(
    words: list[str], headers: list[str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        explain.request_from(words, headers=headers)


class Broken(Selector):
    """A selector with a bug in it."""

    def pick(self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()) -> Backend:
        raise ZeroDivisionError


def test_a_bug_is_not_hidden() -> None:
    config = config_from({"backends": ["a:80"], "algorithm": f"{__name__}:Broken"})
    with pytest.raises(ZeroDivisionError):
        explain.explain(config, explain.request_from(["/"]), 0)


def test_the_command_takes_curl_s_options_and_prints_json(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    words = ("explain", "-X", "PUT", "https://example.com/api/old/1", "-H", "X-A: b", "-b", "c=d")
    done = run(*words, "--config", config, "--json")
    assert (done.status, done.err) == (0, "")
    made = json.loads(done.out)
    assert (made["status"], made["backend"]) == (200, "o")
    assert made["decision"]["route"]["name"] == "old"
    assert json.loads(run("explain", "/nowhere", "--json").out)["error"].startswith("no route")


def test_the_command_says_what_is_wrong_with_exit_status_2(tmp_path: Path) -> None:
    assert run("explain", "ftp://a").status == 2
    assert run("explain", "GET").status == 2
    done = run("explain", "/", "--client-ip", "foo")
    assert done.status == 2 and done.err.endswith('error: "foo" is not an IP address\n')
    assert run("explain", "/", "--config", "/nowhere").status == 2
    config = tmp_path / "config.json"
    options = {"hash_key": "colour"}
    config.write_text(
        json.dumps({"backends": ["a:80"], "algorithm": "ring-hash", "options": options})
    )
    assert run("explain", "/", "--config", config).status == 2


def test_the_same_seed_explains_the_same_chance() -> None:
    config = config_from({"backends": [f"b{n}:80" for n in range(9)], "algorithm": "random"})
    request = explain.request_from(["/"])
    seeds = Random(1)
    for seed in (seeds.randrange(99) for _ in range(5)):
        one, two = (explain.explain(config, request, seed) for _ in range(2))
        assert explain.as_json(one) == explain.as_json(two)


@pytest.mark.parametrize("upstream", ["http", "envelope"])
def test_what_a_backend_says_that_was_not_asked_is_left_open(upstream: str) -> None:
    pool: dict[str, Any] = {"backends": ["127.0.0.1:18801"], "upstream": upstream}
    shown = tree("/", config=pool)
    assert shown.splitlines()[1] == "would go to 127.0.0.1"
    assert "attempt  1: 127.0.0.1, not asked\n" in shown and "200" not in shown
    made = json.loads(explain.as_json(asked("/", config=pool)))
    assert (made["backend"], made["asked"], "status" in made) == ("127.0.0.1", False, False)
    assert [attempt["outcome"] for attempt in made["decision"]["attempts"]] == ["not asked"]


@pytest.mark.parametrize("simulated", [
    {"backends": ["a:1"], "simulate": {"status": 404}},
    {"backends": [{"address": "a:1", "simulate": {"status": 404}}]},
])  # fmt: skip
def test_what_the_configuration_says_in_its_place_is_said_to_be_simulated(
    simulated: dict[str, Any],
) -> None:
    pool = {**simulated, "upstream": "http"}
    shown = tree("/", config=pool)
    assert shown.splitlines()[1] == "would go to a; simulated, it answers 404"
    assert "attempt  1: a, status 404\n" in shown
    made = json.loads(explain.as_json(asked("/", config=pool)))
    assert (made["status"], made["asked"]) == (404, False)


def test_what_the_proxy_answers_itself_is_known_whatever_is_behind_it() -> None:
    config = {"backend_pools": {"p": {"backends": ["a:1"], "upstream": "http"}}}
    assert tree("/x", config=config).splitlines()[1] == "404: no route matches: /x"
    made = json.loads(explain.as_json(asked("/x", config=config)))
    assert made["status"] == 404 and "asked" not in made
    refused = {"backends": ["a:1"], "upstream": "http",
               "simulate": {"faults": [{"fault": "refuse"}]}}  # fmt: skip
    assert tree("/", config=refused).splitlines()[1].startswith("502 from a: ")
