"""Headers from the wire, and the names of backends."""

from __future__ import annotations

import pytest

from l7proxy.http1 import ResponseParser
from l7proxy.upstreams.http.headers import WireHeaders, host_field


@pytest.mark.parametrize(("address", "host"), [
    ("a:1", "a:1"),
    ("http://a:1", "a:1"),
    ("https://[::1]:443", "[::1]:443"),
    ("unix:/run/app.sock", "localhost"),
])  # fmt: skip
def test_a_backend_is_called_by_its_address_without_the_scheme(address: str, host: str) -> None:
    assert host_field(address) == host


def test_fields_are_decoded_when_somebody_looks_and_only_they() -> None:
    parsed = ResponseParser().parse(b"HTTP/1.1 200 OK\r\nX-A: \xe4\r\nx-a: 2\r\n\r\n")
    assert parsed is not None
    headers = WireHeaders(parsed[0].block)
    assert list(headers) == [("X-A", "ä"), ("x-a", "2")]
    assert len(headers) == 2
