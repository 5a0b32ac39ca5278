"""The pieces of HTTP's grammar, in text and in bytes."""

from __future__ import annotations

import re

import pytest

from l7proxy.core.config.fields import HEADER_VALUE
from l7proxy.core.config.problems import Problems
from l7proxy.core.http.grammar import (
    AUTHORITY,
    AUTHORITY_WITH_PORT,
    HOST_CHARACTER,
    HOST_START,
    TARGET_CHARACTER,
    TOKEN_CHARACTER,
    VALUE_CHARACTER,
    find_control,
    host_in,
    is_token,
    quote,
)
from l7proxy.http1 import grammar as wire

TOKENS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""RFC 9110, 5.6.2, as it is written there."""


@pytest.mark.parametrize(("source", "members"), [
    (TOKEN_CHARACTER, set(TOKENS)),
    (VALUE_CHARACTER, {"\t", *map(chr, range(0x20, 0x7F)), *map(chr, range(0x80, 0x100))}),
    (TARGET_CHARACTER, {*map(chr, range(0x21, 0x7F)), *map(chr, range(0x80, 0x100))} - {"#"}),
    (HOST_CHARACTER, {letter for letter in TOKENS if letter.isalnum() or letter in "-._~"}),
    (HOST_START, {letter for letter in TOKENS if letter.isalnum() or letter in "-_~"}),
])  # fmt: skip
def test_a_class_has_the_same_members_in_text_and_in_bytes(source: str, members: set[str]) -> None:
    octets = [bytes((number,)) for number in range(256)]
    in_bytes = {octet.decode("latin-1") for octet in octets if re.fullmatch(source.encode(), octet)}
    in_text = {chr(number) for number in range(256) if re.fullmatch(source, chr(number))}
    assert in_bytes == in_text == members


def test_names_and_values_are_what_they_are_on_the_wire() -> None:
    for number in range(256):
        letter = chr(number)
        octet = letter.encode("latin-1")
        assert bool(is_token(f"X{letter}")) == bool(wire.is_token(b"X" + octet))
        valued = find_control(f"a{letter}b") is None
        assert valued == bool(wire.is_text(b"a" + octet + b"b"))
        problems = Problems()
        HEADER_VALUE.load(f"a{letter}b", "", problems)
        assert valued == (not problems.found)


AUTHORITIES = {
    "a": True,
    "A.example": True,
    "my_app": True,
    "a.": True,
    ".a": True,
    "a.b.": True,
    "a..b": False,
    "..a": False,
    "a..": False,
    "a..:80": False,
    "192.0.2.1:80": True,
    "[::1]": True,
    "[::1]:80": True,
    "a:": True,
    "a:0": True,
    "a:00080": True,
    "a:65535": True,
    "a:65536": False,
    "a:000080": False,
    "a:808080": False,
    "a:8o": False,
    "a:-1": False,
    "a:80:80": False,
    "": False,
    ".": False,
    "..": False,
    ".:80": False,
    ":80": False,
    "::1": False,
    "[::1": False,
    "[]": False,
    "[g]": False,
    "[::]": True,
    "[1:2:3:4:5:6:7:8]": True,
    "[1:2:3:4:5:6:7::]": True,
    "[::2:3:4:5:6:7:8]": True,
    "[1:2:3::5:6:7:8]": True,
    "[ABCD::1.2.3.4]": True,
    "[1:2:3:4:5:6:1.2.3.4]": True,
    "[::ffff:1.2.3.4]": True,
    "[1::3:4:5:6:1.2.3.4]": True,
    "[ab..cd::1]": False,
    "[:]": False,
    "[:::]": False,
    "[1:2:3:4:5:6:7]": False,
    "[1:2:3:4:5:6:7:8:9]": False,
    "[1:2:3:4:5:6:7:8::]": False,
    "[1:2:3::4:5:6:7:8]": False,
    "[1::2::3]": False,
    "[1::3:4:5:6:7:1.2.3.4]": False,
    "[::1.2.3]": False,
    "[::1.2.3.256]": False,
    "[::1.2.3.4:5]": False,
    "[12345::]": False,
    "[1.2.3.4]": False,
    "[::1%eth0]": False,
    "[v1.a]": False,
    "a b": False,
    " a": False,
    "a\n": False,
    "a,b": False,
    "a'or'b.example": False,
    "a%2eexample": False,
    "u@a": False,
    "a/b": False,
    "a\\b": False,
    "é": False,
}


@pytest.mark.parametrize("text", AUTHORITIES, ids=ascii)
def test_an_authority_is_a_host_and_perhaps_a_port(text: str) -> None:
    assert bool(re.fullmatch(AUTHORITY, text)) == AUTHORITIES[text]
    assert bool(wire.is_authority(text.encode())) == AUTHORITIES[text]
    with_port = AUTHORITIES[text] and ":" in text.rpartition("]")[2].removesuffix(":")
    assert bool(re.fullmatch(AUTHORITY_WITH_PORT, text)) == with_port
    assert bool(wire.is_authority_with_port(text.encode())) == with_port


@pytest.mark.parametrize(("text", "host"), [
    ("A.Example.:80", "a.example"),
    ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
    ("[2001:DB8:0:0::0007]", "[2001:db8::7]"),
    ("[2001:db8:0::7]", "[2001:db8::7]"),
    ("[::7.8.9.10]", "[::708:90a]"),
])  # fmt: skip
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert host_in(text) == host


def test_a_port_has_16_bits() -> None:
    good = [port for port in range(100_000) if re.fullmatch(AUTHORITY, f"a:{port}")]
    assert good == list(range(65_536))


def test_what_a_client_sent_is_shown_on_one_line_and_cut() -> None:
    assert quote("aé漢 b") == '"aé漢 b"'
    assert quote("a\tb\x85\ud800") == '"a\\tb\\x85\\ud800"'
    assert quote("a" * 60) == f'"{"a" * 60}"'
    assert quote("a" * 61) == f'"{"a" * 60}..."'
