"""The name in a client's hello, however it comes."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.server.client_hello import LONGEST, Incomplete, server_name


def hello(name: str | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What a real client says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def records(message: bytes, size: int) -> bytes:
    """A message in records of that size."""
    return b"".join(
        b"\x16\x03\x01" + len(piece).to_bytes(2) + piece
        for piece in (message[at : at + size] for at in range(0, len(message), size))
    )


def with_extensions(extensions: bytes) -> bytes:
    """A hello with nothing but extensions."""
    body = bytes(34) + b"\0" + b"\0\2\x13\x01" + b"\1\0" + len(extensions).to_bytes(2) + extensions
    return records(b"\1" + len(body).to_bytes(3) + body, 16384)


def named(name: bytes, kind: int = 0) -> bytes:
    entry = bytes([kind]) + len(name).to_bytes(2) + name
    return (0).to_bytes(2) + (len(entry) + 2).to_bytes(2) + len(entry).to_bytes(2) + entry


def needed_behind(data: bytes) -> int | None:
    """How many bytes there have to be; None if these are enough."""
    try:
        server_name(data)
    except Incomplete as error:
        return error.needed
    return None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("said", "name"), [("a.example", "a.example"), ("A.Example", "a.example"), (None, None)]
)
def test_the_name_is_found_in_what_clients_say(
    version: ssl.TLSVersion, said: str | None, name: str | None
) -> None:
    assert server_name(hello(said, version)) == name


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_hello_may_be_in_many_records(size: int) -> None:
    message = hello("a.example")[5:]
    assert server_name(records(message, size)) == "a.example"


def test_as_many_bytes_are_asked_for_as_are_certainly_needed() -> None:
    data = records(hello("a.example")[5:], 50)
    asked = [0]
    while (needed := needed_behind(data[: asked[-1]])) is not None:
        assert needed > asked[-1]
        asked.append(needed)
    assert server_name(data[: asked[-1]]) == "a.example"
    assert asked[-1] <= len(data) and len(asked) <= 2 * len(data) // 55 + 3


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (with_extensions(named(b"a.example")), "a.example"),
        (with_extensions(b"\0\1\0\1x" + named(b"a.example")), "a.example"),
        (with_extensions(b""), None),
        (with_extensions(named(b"a.example", kind=1)), None),
        (with_extensions(named("é".encode())), None),
        (with_extensions(b"\0\0\0\0"), None),
        (with_extensions(b"\0\0\0\2\0\0"), None),
        (with_extensions(b"\0\0\xff"), None),
        (records(b"\1\0\0\2\3\3", 9), None),
        (records(b"\2\0\0\2\3\3", 9), None),
        (b"\x16\x03\x01\0\0", None),
        (b"\x15\x03\x01\0\2\2\x28", None),
        (b"GET / HTTP/1.1\r\n", None),
        (b"G", None),
        (records(b"\1" + LONGEST.to_bytes(3), 9), None),
    ],
)
def test_what_is_no_hello_or_has_no_name_has_none(data: bytes, name: str | None) -> None:
    assert server_name(data) == name


@given(st.binary(max_size=100))
def test_any_bytes_are_no_hello_or_the_beginning_of_one(data: bytes) -> None:
    for said in (data, b"\x16\x03\x01" + data, hello("a.example")[:60] + data):
        needed = needed_behind(said)
        if needed is None:
            assert server_name(said) in (None, "a.example")
        else:
            assert needed > len(said)
