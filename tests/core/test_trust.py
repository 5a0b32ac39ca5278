"""Who is believed, and what is left of a request that says too much about itself."""

from __future__ import annotations

import pytest

from l7proxy.core.config import config_from
from l7proxy.core.http.messages import NO_HEADERS, Headers, HttpRequest
from l7proxy.core.trust import Trust


def trust(*networks: str) -> Trust:
    config = {"backends": ["a:1"], "server": {"trusted_proxies": list(networks)}}
    return Trust(config_from(config).server.trusted_proxies)


@pytest.mark.parametrize(("address", "trusted"), [
    ("127.0.0.1", True), ("127.255.0.1", True), ("::ffff:127.0.0.1", True), ("[::1]:80", True),
    ("128.0.0.1", False), ("::2", False), ("localhost", False), ("", False), ("unix:", False),
    ("127.0.0.1.evil", False), ("127.1", False), ("unknown", False),
])  # fmt: skip
def test_only_an_address_in_a_network_is_trusted(address: str, trusted: bool) -> None:
    assert trust("127.0.0.0/8", "::1").trusts(address) == trusted


def test_a_unix_socket_is_trusted_by_its_name_alone() -> None:
    assert trust("unix:").trusts("unix:")
    assert not trust("unix:").trusts("127.0.0.1")
    assert not trust().trusts("unix:")
    assert trust("unix:", "::1").trusts("::1")


@pytest.mark.parametrize(("claimed", "client"), [
    (None, "127.0.0.1"), ("", "127.0.0.1"), (" , ,", "127.0.0.1"),
    ("203.0.113.7", "203.0.113.7"),
    ("203.0.113.7:51234", "203.0.113.7"),
    ("203.0.113.7,", "203.0.113.7"),
    ("203.0.113.7, , 127.0.0.2", "203.0.113.7"),
    ("10.0.0.1, 203.0.113.7", "203.0.113.7"),
    ("[2001:db8::7]:443", "2001:db8::7"),
    ("2001:DB8:0::7", "2001:db8::7"),
    ("203.0.113.7, ::ffff:127.0.0.2", "203.0.113.7"),
    ("127.0.0.3, 127.0.0.2:80", "127.0.0.3"),
    ("203.0.113.7, 127.0.0.1.", "unknown"),
    ("203.0.113.7, unknown", "unknown"),
    ("unknown, 203.0.113.7", "203.0.113.7"),
    ("203.0.113.7:99999", "unknown"),
    ("203.0.113.7;127.0.0.1", "unknown"),
])  # fmt: skip
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(
    claimed: str | None, client: str
) -> None:
    assert trust("127.0.0.0/8").client("127.0.0.1", claimed) == client


CLAIMS = [
    ("X-Forwarded-For", "1.2.3.4"), ("x-forwarded-proto", "https"), ("X-Forwarded-Port", "1"),
    ("Forwarded", "for=1.2.3.4"),
]  # fmt: skip
ALIASES = [("X_Forwarded_For", "6.6.6.6"), ("X-Forwarded_Proto", "ftp"), ("x_forwarded-a", "1"),
           ("X.Forwarded.For", "6.6.6.6"), ("X-Forwarded-A.B", "1")]  # fmt: skip
OTHERS = [("Via", "1.1 a"), ("X-Forwarded", "a"), ("X_User", "a"), ("X-Real-IP", "9.9.9.9")]


def test_what_others_claim_is_gone_and_what_no_proxy_writes() -> None:
    request = HttpRequest("GET", "/", Headers([*OTHERS, *CLAIMS, *ALIASES]), "127.0.0.1")
    vetted = trust().vet(request)
    assert (list(vetted.headers), vetted.client_ip) == (OTHERS, "127.0.0.1")
    vetted = trust("127.0.0.0/8").vet(request)
    assert (list(vetted.headers), vetted.client_ip) == ([*OTHERS, *CLAIMS], "1.2.3.4")


def test_the_rest_of_a_request_stays() -> None:
    request = HttpRequest("PUT", "/x", Headers(CLAIMS), "::0:1", {"a": "b"}, b"body")
    vetted = trust("::1").vet(request)
    rest = (vetted.method, vetted.target, vetted.cookies, vetted.body)
    assert rest == ("PUT", "/x", {"a": "b"}, b"body")
    assert trust().vet(HttpRequest("GET", "/", NO_HEADERS, "::0:1")).client_ip == "::1"


def test_a_request_that_is_as_it_should_be_stays_the_same() -> None:
    for fields in (NO_HEADERS, Headers(OTHERS)):
        request = HttpRequest("GET", "/", fields, "2001:db8::7")
        assert trust().vet(request) is request


@pytest.mark.parametrize(("fields", "client"), [
    ([("Forwarded", "for=192.0.2.1")], "192.0.2.1"),
    ([("Forwarded", 'for="[2001:db8::7]:443", for=127.0.0.2')], "2001:db8::7"),
    ([("Forwarded", "for=192.0.2.1"), ("X-Forwarded-For", "192.0.2.9")], "192.0.2.9"),
    ([("Forwarded", "for=192.0.2.1"), ("X-Forwarded-Proto", "https")], "127.0.0.1"),
    ([("Forwarded", "for")], "unknown"),
    ([("Forwarded", "")], "127.0.0.1"),
])  # fmt: skip
def test_forwarded_names_the_client_where_no_field_of_the_older_kind_does(
    fields: list[tuple[str, str]], client: str
) -> None:
    request = HttpRequest("GET", "/", Headers(fields), "127.0.0.1")
    assert trust("127.0.0.0/8").vet(request).client_ip == client
