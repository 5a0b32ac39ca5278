"""The express answers exactly as the long way does, or leaves the line to it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core import config_from
from l7proxy.node import Node
from l7proxy.node.express import ENTRY, ROOM, Express

PLAIN = {"backend_pools": {
    "api": {"backends": ["a:1", {"address": "b:1", "weight": 3}, "c:1"]},
    "static": {"backends": ["s:1", "t:1"], "algorithm": "least-connections"},
}}  # fmt: skip
EVERYTHING = {
    "backend_pools": {
        "api": {
            "backends": ["a:1", "b:1", "c:1"],
            "sticky": {"learn": {}},
            "rate_limit": {"requests_per_second": 1, "burst": 9},
        },
        "static": {
            "backends": ["s:1", {"address": "t:1", "simulate": {"body": "from t"}}],
            "simulate": {"status": 201, "paths": {"/static/x": {"status": 204}}},
        },
        "hashed": {
            "backends": ["h:1", "i:1", "j:1"],
            "algorithm": "rendezvous",
            "options": {"hash_key": "path"},
        },
        "watched": {"backends": ["w:1", "v:1"], "breaker": {}},
    },
    "routes": [
        {"path_pattern": "/api/*", "host": "example.com", "backend_pool": "api",
         "rewrite": {"strip_prefix": "/api"}},
        {"path_pattern": "/api/*", "backend_pool": "static",
         "headers": {"X-Old": {"present": True}}},
        {"path_pattern": "/static/*", "backend_pool": "static",
         "response_headers": {"set": {"X-By": "l7proxy"}}},
        {"path_pattern": "/w/*", "methods": ["GET"], "backend_pool": "watched"},
        {"path_pattern": "/h/*", "backend_pool": "hashed"},
        {"path_pattern": "/old/*", "backend_pool": "static",
         "rewrite": {"replace_prefix": {"/old": "/static"}}},
        {"path_pattern": "/split/*", "split": {"pools": {"api": 1, "static": 1}}},
    ],
}  # fmt: skip


def node(config: dict[str, Any], *, express: bool) -> Node:
    made = Node(config_from(config), Random(7), lambda line: None)
    if not express:
        made._express.run = lambda lines, start, now: start  # type: ignore[method-assign]
    return made


def by_both_ways(config: dict[str, Any], data: bytes, chunk: int) -> tuple[bytes, bytes]:
    answers = []
    for express in (True, False):
        talk = node(config, express=express)
        out = [talk.feed(data[i : i + chunk], i / 1000) for i in range(0, len(data), chunk)]
        out.append(talk.finish(1e6))
        answers.append(b"".join(out))
    return answers[0], answers[1]


paths = st.sampled_from([
    "/api/users", "/api/x", "/api//x", "/static/logo.png", "/static/x/y", "/nowhere", "/w/1",
    "/h/1", "/h/2", "/split/1", "/old/x", "/old/y", "/api/y?z", "/api/%zz", "/api/../static/x",
    "no-slash", '/api/"quoted"', "/api/x?y=1", "/api/\u00e9", "http://example.com/api/users",
])  # fmt: skip
bodies = st.fixed_dictionaries(
    {"type": st.just("http_request"), "msg_id": st.integers(-1, 40), "path": paths},
    optional={
        "method": st.sampled_from(["GET", "POST", "BAD METHOD", "BAD(METHOD"]),
        "headers": st.sampled_from([
            {}, {"Host": "example.com"}, {"Host": "other.example"}, {"X-Old": "1"},
            {"path": "/api/users"}, {"msg_id": "7"}, {"Cookie": "session_id=abc"}, {"bad name": ""},
        ]),
        "cookies": st.sampled_from([{}, {"session_id": "abc"}]),
        "client_ip": st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        "simulate": st.just({"status": 418}),
        "body": st.sampled_from(['"msg_id": 5, "path": "/static/"', "x"]),
    },
)  # fmt: skip
others = st.sampled_from([
    {"type": "status", "msg_id": 1},
    {"type": "init", "msg_id": 2, "node_id": "n2"},
    {"type": "init", "msg_id": 2, "backends": ["z:1", "y:1"]},
    {"type": "backend", "msg_id": 3, "pool": "api", "backend": "a", "set": {"state": "drain"}},
    {"type": "backend", "msg_id": 3, "pool": "api", "backend": "a", "set": {"state": "up"}},
    {"type": "add_backend", "msg_id": 4, "pool": "static",
     "backend": {"address": "slow:1", "simulate": {"latency": 1}}},
    {"type": "http_request", "msg_id": 5},
])  # fmt: skip
separators = st.sampled_from([(", ", ": "), (",", ":")])


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Lines of few kinds, repeated so often that most could go by express; some of them garbage."""
    written = draw(separators)
    kinds = draw(st.lists(bodies | others, min_size=1, max_size=6))
    lines = []
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=8, max_size=60)):
        body = dict(kind)
        if body["type"] == "http_request" and draw(st.booleans()):
            body["msg_id"] = draw(st.sampled_from([0, 1, 7, 10**17, 10**18, 10**19, "9", 1.5]))
        src = draw(st.sampled_from(["c1", "c2", "a client"]))
        envelope = {"src": src, "dest": "l7_proxy", "body": body}
        line = json.dumps(envelope, separators=written)
        lines.append(draw(st.sampled_from([line, line, line, line + "\r", line[:-3], line + " x"])))
    return "\n".join([*lines, ""]).encode()


@pytest.mark.parametrize("config", [PLAIN, EVERYTHING], ids=["plain", "everything"])
@given(data=conversations(), chunk=st.sampled_from([1 << 20, 333]))
def test_the_express_answers_as_the_long_way_does(
    config: dict[str, Any], data: bytes, chunk: int
) -> None:
    express, long_way = by_both_ways(config, data, chunk)
    assert express.splitlines() == long_way.splitlines()


def lines_of(count: int, **body: Any) -> bytes:
    lines = (
        json.dumps({"src": "c", "dest": "p", "body": {"type": "http_request", "msg_id": i, **body}})
        for i in range(1, count + 1)
    )
    return "\n".join([*lines, ""]).encode()


def long_ways(talk: Node, data: bytes) -> int:
    """How many lines of the data go the long way."""
    taken = []
    handle = talk._framer._message
    talk._framer._message = lambda *told: taken.append(1) or handle(*told)  # type: ignore[func-returns-value]
    talk.feed(data, 0.0)
    return len(taken)


@pytest.mark.parametrize("headers", [{}, {"Host": "example.com"}])
def test_only_the_first_line_of_its_kind_goes_the_long_way(headers: dict[str, str]) -> None:
    data = lines_of(500, method="GET", path="/api/users", headers=headers)
    assert long_ways(node(PLAIN, express=True), data) == 1


def test_limits_sessions_rewrites_and_hosts_go_by_express_too() -> None:
    config = {**EVERYTHING, "rate_limits": {"per_ip": {"requests_per_second": 1, "burst": 10**6}}}
    config["backend_pools"]["api"].pop("rate_limit", None)  # type: ignore[index]
    data = lines_of(
        500, path="/api/users", headers={"Host": "example.com"}, cookies={"session_id": "s"}
    )
    # The first makes the session known; the second is the first that needs no telling.
    assert long_ways(node(config, express=True), data) == 2


def test_a_path_seen_under_one_source_is_known_under_all_where_paths_decide() -> None:
    talk = node(PLAIN, express=True)
    assert long_ways(talk, lines_of(10, path="/api/users")) == 1
    talk = node(PLAIN, express=True)
    one, another = lines_of(2, path="/api/1"), lines_of(2, path="/api/2")
    assert long_ways(talk, one + another + one.replace(b'"c"', b'"d"')) == 2
    assert long_ways(talk, another.replace(b'"c"', b'"d"')) == 0


def test_paths_not_seen_before_go_where_their_route_does_whatever_else_routes_ask_for() -> None:
    headers = {"Host": "example.com"}
    data = b"".join(
        lines_of(1, path=f"/api/users/{number}", headers=headers, cookies={"session_id": "s"})
        for number in range(500)
    )
    config = {**EVERYTHING, "rate_limits": {"per_ip": {"requests_per_second": 1, "burst": 10**6}}}
    config["backend_pools"]["api"].pop("rate_limit", None)  # type: ignore[index]
    assert long_ways(node(config, express=True), data) == 2


def test_where_the_path_is_hashed_every_path_goes_the_long_way_once() -> None:
    data = b"".join(lines_of(1, path=f"/h/{number % 50}") for number in range(500))
    assert long_ways(node(EVERYTHING, express=True), data) == 50


def test_a_path_ends_where_its_string_does_however_the_rest_looks() -> None:
    one = lines_of(1, path="/api/a").replace(b": ", b":").replace(b", ", b",")
    other = one.replace(b'"/api/a"', b'"/api/b?q","method":"NO METHOD,"').replace(b" ", b"")
    express, long_way = by_both_ways(PLAIN, one + other.replace(b"NOM", b"N(M"), 1 << 20)
    assert b"is not a method" in long_way
    assert express == long_way


REWRITING = {
    "backend_pools": {"api": {"backends": ["a:1", "b:1"]}},
    "routes": [
        {"path_pattern": "/api/*", "methods": ["GET"], "backend_pool": "api",
         "rewrite": {"strip_prefix": "/api"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("config", [PLAIN, REWRITING], ids=["by path", "by more than the path"])
def test_what_it_remembers_is_bounded(config: dict[str, Any]) -> None:
    talk = node(config, express=True)
    express: Express = talk._express
    kept = []
    for start in range(0, ROOM // ENTRY, 1000):
        lines = (lines_of(1, path=f"/api/{n}") for n in range(start, start + 1000))
        talk.feed(b"".join(lines), 0.0)
        kept.append(sum(len(shape.kind.stops) for shape in express._shapes.values()))
    assert 0 < max(kept) * ENTRY <= ROOM
    assert max(kept) > kept[-1]


def test_what_it_has_forgotten_of_one_route_it_does_not_take_for_known_under_another() -> None:
    flood = b"".join(lines_of(1, path=f"/api/{n}") for n in range(ROOM // ENTRY))
    first, last = lines_of(1, path="/static/1"), lines_of(1, path="/static/2")
    express, long_way = by_both_ways(PLAIN, first + flood + last, 1 << 20)
    assert express == long_way


def test_it_pauses_where_no_line_is_like_another() -> None:
    talk = node(PLAIN, express=True)
    lines = (lines_of(1, path="/api/1", headers={"X": str(number)}) for number in range(400))
    talk.feed(b"".join(lines), 0.0)
    assert not talk._express.is_listening
