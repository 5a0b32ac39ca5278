"""The Forwarded field."""

from __future__ import annotations

import pytest

from l7proxy.core.http.forwarded import claimed_hops, parse_forwarded


@pytest.mark.parametrize(("value", "elements"), [
    ("", []),
    (" , ", []),
    ("for=192.0.2.43", [{"for": "192.0.2.43"}]),
    ('For="[2001:db8:cafe::17]:4711"', [{"for": "[2001:db8:cafe::17]:4711"}]),
    ("for=192.0.2.60;proto=http;by=203.0.113.43",
     [{"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}]),
    ("for=192.0.2.43, for=198.51.100.17", [{"for": "192.0.2.43"}, {"for": "198.51.100.17"}]),
    ('for=a;;x="\\"q\\", ;", ,b=c', [{"for": "a", "x": '"q", ;'}, {"b": "c"}]),
])  # fmt: skip
def test_each_proxy_has_its_say(value: str, elements: list[dict[str, str]]) -> None:
    assert parse_forwarded(value) == elements


@pytest.mark.parametrize("value", [
    "for", "for=", "=a", "for=[::1]", "for=a b", 'for="a', 'for="a"b', "for=a;for=b", "for =a",
    "for=a:80", "x" * 100_000, 'x="' + 100_000 * "\\",
])  # fmt: skip
def test_what_is_not_such_a_field_says_nothing(value: str) -> None:
    assert parse_forwarded(value) is None


@pytest.mark.parametrize(("node", "address"), [
    ("192.0.2.1", "192.0.2.1"), ("192.0.2.1:80", "192.0.2.1"), ("[::1]", "::1"),
    ("[::1]:80", "::1"), ("unknown", "unknown"), ("_a:_b", "_a"),
])  # fmt: skip
def test_a_node_has_an_address_or_what_stands_for_one(node: str, address: str) -> None:
    assert claimed_hops([{"for": node}]) == address


def test_hops_are_listed_as_in_x_forwarded_for_and_what_can_not_be_read_is_unknown() -> None:
    assert claimed_hops([{"for": "192.0.2.1:80"}, {"by": "a"}]) == "192.0.2.1, unknown"
    assert claimed_hops([]) == ""
    assert claimed_hops(None) == "unknown"
