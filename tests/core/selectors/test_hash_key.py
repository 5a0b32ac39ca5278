"""The part of a request that is hashed."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core import ConfigError, Headers, HttpRequest, config_from
from l7proxy.core.config.algorithms import HashOptions
from l7proxy.core.config.problems import Problems
from l7proxy.core.selectors.hash_key import hash_key

REQUEST = HttpRequest(
    "GET",
    "/cart/7?user=ann%20b&k=&user=bob&flag",
    Headers([("Host", "Shop.Example:8080"), ("X-User", "carol"), ("Cookie", "sid=42; a=b")]),
    client_ip="10.9.8.7",
)


def key(option: Any, request: HttpRequest | None = REQUEST) -> bytes:
    config = config_from(
        {"backends": ["a:1"], "algorithm": "rendezvous", "options": {"hash_key": option}}
    )
    options = config.backend_pools["default"].options
    loaded = HashOptions.load(options, "", Problems())
    assert isinstance(loaded, HashOptions)
    return hash_key(loaded.hash_key)(request)


@pytest.mark.parametrize(("option", "expected"), [
    ("client_ip", b"10.9.8.7"),
    ("path", b"/cart/7"),
    ("host", b"shop.example"),
    ({"query": "user"}, b"ann%20b"),
    ({"header": "x-uSER"}, b"carol"),
    ({"cookie": "sid"}, b"42"),
    # Absent, or there and empty: the fallback.
    ({"query": "nobody"}, b"10.9.8.7"),
    ({"query": "k"}, b"10.9.8.7"),
    ({"query": "flag", "fallback": "host"}, b"shop.example"),
    ({"header": "X-None", "fallback": "path"}, b"/cart/7"),
    ({"cookie": "other", "fallback": "client_ip"}, b"10.9.8.7"),
])  # fmt: skip
def test_the_key_is_the_part_that_was_asked_for(option: Any, expected: bytes) -> None:
    assert key(option) == expected
    assert key(option, None) == b""


def test_the_host_is_the_targets_own_before_the_header() -> None:
    absolute = HttpRequest("GET", "http://Other.example/x?y", Headers([("Host", "shop")]))
    assert key("host", absolute) == b"other.example"
    assert key("path", absolute) == b"/x"
    assert key("host", HttpRequest("GET", "/")) == b""
    assert key("host", HttpRequest("GET", "/", Headers([("Host", "[::1]:80")]))) == b"[::1]"
    assert key("host", HttpRequest("GET", "/", Headers([("Host", "[::1]")]))) == b"[::1]"


def test_any_text_makes_a_key() -> None:
    assert key("client_ip", HttpRequest("GET", "/", client_ip="é\ud800")) == b"\xc3\xa9\xed\xa0\x80"


@pytest.mark.parametrize(("option", "problem"), [
    ("ip", '"ip" is not one of "client_ip", "path", "host"'),
    ({}, "give one of query, header and cookie"),
    ({"query": "a", "cookie": "b"}, "give one of query, header and cookie"),
    (7, "must be a string or an object, not a number"),
])  # fmt: skip
def test_a_key_that_makes_no_sense_is_refused(option: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        key(option)
    assert str(refused.value) == f"/options/hash_key: {problem}"
