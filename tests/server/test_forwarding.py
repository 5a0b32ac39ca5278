"""What backends are told about clients, one field at a time."""

from __future__ import annotations

import pytest

from l7proxy.core.config import config_from
from l7proxy.http1 import RequestHead, RequestParser
from l7proxy.server.forwarding import Forwarding

TRUSTED = ["10.0.0.0/8", "::1"]


def forwarding(**server: object) -> Forwarding:
    config = {"backends": ["a:1"], "server": {"trusted_proxies": TRUSTED, **server}}
    return Forwarding(config_from(config).server)


def head(*fields: str, minor: int = 1, host: str | None = "shop.example") -> RequestHead:
    lines = [f"GET / HTTP/1.{minor}", *([] if host is None else [f"Host: {host}"]), *fields]
    parsed = RequestParser().parse("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    assert parsed is not None
    return parsed[0]


def told(rules: Forwarding, address: str, request: RequestHead) -> list[str]:
    """The fields that a backend gets for a request that came over plain HTTP."""
    *lines, end, rest = rules.fields(rules.peer(address, b"http"), request).decode().split("\r\n")
    assert (end, rest) == ("", "")
    return lines


@pytest.mark.parametrize(("address", "claimed", "client"), [
    ("9.9.9.9", None, "9.9.9.9"),
    ("9.9.9.9", "1.2.3.4", "9.9.9.9"),
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
    ("10.0.0.1", "6.6.6.6, 1.2.3.4,10.0.0.2 , 10.0.0.3", "1.2.3.4"),
    ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ("10.0.0.1", "1.2.3.4, somebody", "unknown"),
    ("10.0.0.1", '1.2.3.4, " - [x] "GET /, 10.0.0.2', "unknown"),
    ("10.0.0.1", "fe80::1%\"x", "unknown"),
    ("10.0.0.1", "1.2.3.4:51234", "1.2.3.4"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"),
    ("::ffff:9.9.9.9", "1.2.3.4", "9.9.9.9"),
    ("::1", "2001:db8::1", "2001:db8::1"),
    ("unix:", "1.2.3.4", "unix:"),
])  # fmt: skip
def test_the_client_is_the_last_that_no_trusted_proxy_vouches_for(
    address: str, claimed: str | None, client: str
) -> None:
    rules = forwarding()
    request = head() if claimed is None else head(f"X-Forwarded-For: {claimed}")
    assert rules.client_ip(rules.peer(address, b"http"), request) == client


def test_without_trusted_proxies_nobody_is_believed() -> None:
    rules = forwarding(trusted_proxies=[])
    request = head("X-Forwarded-For: 1.2.3.4")
    assert rules.client_ip(rules.peer("10.0.0.1", b"http"), request) == "10.0.0.1"


CLAIMS = (
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: front.example",
    "X-Forwarded-Prefix: /shop",
    "Forwarded: for=1.2.3.4",
    "Via: 1.0 fred",
)


def test_what_a_stranger_claims_is_overwritten_but_for_via() -> None:
    assert told(forwarding(), "9.9.9.9", head(*CLAIMS)) == [
        "X-Forwarded-For: 9.9.9.9",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: shop.example",
        "Via: 1.0 fred",
    ]
    assert told(forwarding(via="edge", forwarded=True), "9.9.9.9", head(*CLAIMS)) == [
        "X-Forwarded-For: 9.9.9.9",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: shop.example",
        'Forwarded: for=9.9.9.9;proto=http;host="shop.example"',
        "Via: 1.0 fred, 1.1 edge",
    ]


def test_what_a_trusted_proxy_says_is_passed_on_with_its_own_address_behind() -> None:
    assert told(forwarding(), "10.0.0.1", head(*CLAIMS)) == [
        "X-Forwarded-For: 1.2.3.4, 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: front.example",
        "X-Forwarded-Prefix: /shop",
        "Forwarded: for=1.2.3.4",
        "Via: 1.0 fred",
    ]
    assert told(forwarding(via="edge", forwarded=True), "10.0.0.1", head(*CLAIMS)) == [
        "X-Forwarded-For: 1.2.3.4, 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: front.example",
        "X-Forwarded-Prefix: /shop",
        'Forwarded: for=1.2.3.4, for=10.0.0.1;proto=https;host="shop.example"',
        "Via: 1.0 fred, 1.1 edge",
    ]


@pytest.mark.parametrize(("forwarded", "client", "lines"), [
    ("for=1.2.3.4;proto=https;host=front.example", "1.2.3.4",
     ["X-Forwarded-For: 1.2.3.4, 10.0.0.1", "X-Forwarded-Proto: https",
      "X-Forwarded-Host: front.example"]),
    ('For="[2001:db8::7]:4711"; PROTO=https', "2001:db8::7",
     ["X-Forwarded-For: 2001:db8::7, 10.0.0.1", "X-Forwarded-Proto: https",
      "X-Forwarded-Host: shop.example"]),
    ('for="6.6.6.6:1", for=1.2.3.4;by=10.0.0.9 ,for=10.0.0.3', "1.2.3.4",
     ["X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.3, 10.0.0.1", "X-Forwarded-Proto: http",
      "X-Forwarded-Host: shop.example"]),
    ("proto=https;host=a b", "unknown",
     ["X-Forwarded-For: unknown, 10.0.0.1", "X-Forwarded-Proto: http",
      "X-Forwarded-Host: shop.example"]),
])  # fmt: skip
def test_a_trusted_proxy_is_believed_what_it_says_in_forwarded(
    forwarded: str, client: str, lines: list[str]
) -> None:
    rules = forwarding(forwarded=True)
    request = head(f"Forwarded: {forwarded}")
    assert rules.client_ip(rules.peer("10.0.0.1", b"http"), request) == client
    assert told(rules, "10.0.0.1", request)[:3] == lines
    # Where there is any X-Forwarded-..., that is what counts.
    both = head(f"Forwarded: {forwarded}", "X-Forwarded-For: 5.5.5.5")
    assert rules.client_ip(rules.peer("10.0.0.1", b"http"), both) == "5.5.5.5"
    stranger = rules.peer("9.9.9.9", b"http")
    assert rules.client_ip(stranger, request) == "9.9.9.9"


@pytest.mark.parametrize(("claims", "forwarded"), [
    (["X-Forwarded-Proto: https, http"], 'for=10.0.0.1;proto=http;host="shop.example"'),
    (["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"],
     'for=10.0.0.1;proto=https;host="shop.example"'),
    (["X-Forwarded-Proto: ;"], 'for=10.0.0.1;proto=http;host="shop.example"'),
    (["X-Forwarded-Proto:"], 'for=10.0.0.1;proto=http;host="shop.example"'),
    (["Forwarded: for="], 'for=10.0.0.1;proto=http;host="shop.example"'),
    (["Forwarded: for=a;for=b", "X-Forwarded-For: 1.2.3.4"],
     'for=10.0.0.1;proto=http;host="shop.example"'),
    (["Forwarded: for=_a"], 'for=_a, for=10.0.0.1;proto=http;host="shop.example"'),
])  # fmt: skip
def test_our_own_forwarded_is_well_formed(claims: list[str], forwarded: str) -> None:
    (line,) = [
        line
        for line in told(forwarding(forwarded=True), "10.0.0.1", head(*claims))
        if line.startswith("Forwarded")
    ]
    assert line == f"Forwarded: {forwarded}"


def test_a_trusted_proxy_that_says_nothing_is_the_client() -> None:
    rules = forwarding(via="edge", forwarded=True)
    assert told(rules, "::1", head()) == [
        "X-Forwarded-For: ::1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: shop.example",
        'Forwarded: for="[::1]";proto=http;host="shop.example"',
        "Via: 1.1 edge",
    ]


def test_a_request_without_host_has_no_host_to_tell() -> None:
    request = head(minor=0, host=None)
    assert told(forwarding(forwarded=True), "9.9.9.9", request) == [
        "X-Forwarded-For: 9.9.9.9",
        "X-Forwarded-Proto: http",
        "Forwarded: for=9.9.9.9;proto=http",
    ]


def test_whoever_connects_through_a_socket_without_addresses_is_unknown() -> None:
    rules = forwarding(forwarded=True)
    lines = told(rules, "unix:", head(*CLAIMS[:-1]))
    assert lines[0] == "X-Forwarded-For: unknown"
    assert lines[-1].startswith("Forwarded: for=unknown;")


def test_whoever_connects_through_a_socket_without_addresses_can_be_trusted() -> None:
    rules = forwarding(trusted_proxies=["unix:", "10.0.0.0/8"])
    lines = told(rules, "unix:", head(*CLAIMS))
    assert lines[:2] == ["X-Forwarded-For: 1.2.3.4, unknown", "X-Forwarded-Proto: https"]
    peer = rules.peer("unix:", b"http")
    assert rules.client_ip(peer, head("X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2")) == "1.2.3.4"
    assert told(rules, "9.9.9.9", head(*CLAIMS))[0] == "X-Forwarded-For: 9.9.9.9"


def test_the_fields_of_ordinary_requests_are_the_same_unless_heads_are_believed_or_repeated() -> (
    None
):
    rules = forwarding(via="edge")
    stranger = rules.peer("9.9.9.9", b"https")
    assert stranger.plain == (
        b"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nVia: 1.1 edge\r\n\r\n"
    )
    assert rules.peer("10.0.0.1", b"http").plain is None
    assert forwarding(forwarded=True).peer("9.9.9.9", b"https").plain is None
