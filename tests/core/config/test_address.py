"""Addresses of backends and listeners: what they come apart into, and what is none."""

from __future__ import annotations

import pytest

from l7proxy.core.config.address import split_address, split_listen


@pytest.mark.parametrize(("address", "host", "port"), [
    ("api-1:8080", "api-1", 8080),
    ("api-1", "api-1", None),
    ("[::1]:80", "::1", 80),
    ("[::1]", "::1", None),
    ("http://10.0.0.1:80", "10.0.0.1", 80),
    ("http://[::1]:80", "::1", 80),
    ("https://h", "h", None),
    ("unix:/run/app.sock", "unix:/run/app.sock", None),
])  # fmt: skip
def test_addresses_come_apart(address: str, host: str, port: int | None) -> None:
    assert split_address(address) == (host, port)


@pytest.mark.parametrize(("address", "why"), [
    ("a:0", "the port must be a number from 1 to 65535"),
    ("a:65536", "the port must be a number from 1 to 65535"),
    ("a:" + "9" * 5000, "the port must be a number from 1 to 65535"),
    ("a:x", "the port must be a number from 1 to 65535"),
    ("a:", "the port must be a number from 1 to 65535"),
    ("a:\u0661", "the port must be a number from 1 to 65535"),
    (":80", "there is no host"),
    ("http://:80", "there is no host"),
    ("[]:80", "there is no host"),
    ("::1", "an IPv6 address is written in brackets: [::1] or [::1]:80"),
    ("2001:db8::7:80", "an IPv6 address is written in brackets: [::1] or [::1]:80"),
    ("http://::1", "an IPv6 address is written in brackets: [::1] or [::1]:80"),
    ("[::1", "an IPv6 address is written in brackets: [::1] or [::1]:80"),
    ("[::1]x", "an IPv6 address is written in brackets: [::1] or [::1]:80"),
    ("::1]:80", "an IPv6 address is written in brackets: [::1] or [::1]:80"),
])  # fmt: skip
def test_addresses_that_lead_nowhere_are_refused(address: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        split_address(address)
    assert str(caught.value) == f'"{address}": {why}'


@pytest.mark.parametrize(("text", "host", "port"), [
    ("127.0.0.1:8080", "127.0.0.1", 8080),
    ("localhost:0", "localhost", 0),
    (":8080", "", 8080),
    ("[::1]:8080", "::1", 8080),
    ("tls:[::]:443", "::", 443),
    ("tls:a.example:443", "a.example", 443),
    ("unix:/run/l7proxy.sock", "/run/l7proxy.sock", -1),
])  # fmt: skip
def test_what_to_listen_on_comes_apart(text: str, host: str, port: int) -> None:
    assert split_listen(text) == (host, port)


@pytest.mark.parametrize("text", [
    "nowhere", "a:", "a:x", "a:65536", "::1", "::1:8080", "[::1]", "unix:here", "tls:443", "",
])  # fmt: skip
def test_what_nobody_can_listen_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be host:port, "):
        split_listen(text)
