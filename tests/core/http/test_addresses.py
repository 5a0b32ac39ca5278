"""One client has one address, however it is spelled."""

from __future__ import annotations

import pytest

from l7proxy.core.http.addresses import client_address, client_name, network_in


@pytest.mark.parametrize(("text", "address"), [
    ("1.2.3.4", "1.2.3.4"),
    ("1.2.3.4:51234", "1.2.3.4"),
    ("1.2.3.4:0", "1.2.3.4"),
    ("::ffff:1.2.3.4", "1.2.3.4"),
    ("[::ffff:1.2.3.4]:443", "1.2.3.4"),
    ("::FFFF:102:304", "1.2.3.4"),
    ("2001:db8::7", "2001:db8::7"),
    ("[2001:db8::7]", "2001:db8::7"),
    ("[2001:db8::7]:443", "2001:db8::7"),
    ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
    ("2001:0db8::0007", "2001:db8::7"),
    ("2001:db8:0::7", "2001:db8::7"),
    ("2001:db8::0:7", "2001:db8::7"),
    ("2001:db8::0.0.0.7", "2001:db8::7"),
])  # fmt: skip
def test_all_spellings_of_an_address_are_one(text: str, address: str) -> None:
    assert str(client_address(text)) == address
    assert client_name(text) == address


@pytest.mark.parametrize("text", [
    "", "c1", "unknown", "unix:", "localhost:80", "1.2.3", "1.2.3.4.5", "1.2.3.4:", "1.2.3.4:x",
    "1.2.3.4:65536", "1.2.3.4:000080", "1.2.3.4:٣", "010.0.0.1", "0x7f.0.0.1", "127.1",
    "1.2.3.4 5", "[1.2.3.4]", "[1.2.3.4]:80", "[::1", "::1]", "[::1]]", "[::1]80", "[::1]:",
    "[::1]:65536", "[[::1]]", "[]", ":::", "1::2::3", "12345::", "::1:80%", "fe80::1%eth0",
    "[fe80::1%25eth0]:80", '"[::1]:80"', "for=1.2.3.4", "::1" + " " * 80, "1" * 5000,
])  # fmt: skip
def test_what_can_not_be_read_is_no_address(text: str) -> None:
    assert client_address(text) is None
    assert client_name(text) == text


@pytest.mark.parametrize(("text", "network"), [
    ("10.0.0.0/8", "10.0.0.0/8"),
    ("10.0.0.1", "10.0.0.1/32"),
    ("2001:DB8::/32", "2001:db8::/32"),
    ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ("::ffff:0:0/96", "0.0.0.0/0"),
    ("::ffff:10.0.0.1", "10.0.0.1/32"),
    ("::/0", "::/0"),
])  # fmt: skip
def test_mapped_networks_are_networks_of_ipv4(text: str, network: str) -> None:
    assert str(network_in(text)) == network


@pytest.mark.parametrize("text", ["10.0.0.1/8", "a", "::ffff:10.0.0.1/104", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        network_in(text)
