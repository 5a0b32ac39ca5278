"""Header fields and cookies that could not be sent on are the request's fault."""

from __future__ import annotations

from random import Random

import pytest

from l7proxy.core import proxy as proxy_module
from l7proxy.core.config import config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.http.grammar import find_fault
from l7proxy.core.http.messages import NO_HEADERS, Headers, HttpRequest, WellFormedHeaders
from l7proxy.core.proxy import Proxy
from l7proxy.http1.grammar import is_text
from l7proxy.http1.grammar import is_token as is_token_on_the_wire


def open_with(headers: Headers = NO_HEADERS, **cookies: str) -> Exchange:
    proxy = Proxy(config_from({"backends": ["a:1"]}), Random(0))
    return proxy.open(HttpRequest("GET", "/", headers, cookies=cookies or None), 0.0)


@pytest.mark.parametrize(("name", "value", "fault"), [
    ("X: a\r\nY", "b", '"X: a\r\nY" is not a field name'),
    ("", "b", '"" is not a field name'),
    ("X ", "b", '"X " is not a field name'),
    ("X\n", "b", '"X\n" is not a field name'),
    ("Ä", "b", '"Ä" is not a field name'),
    ("X", "b\r\nZ: 1", "the field X has a control character"),
    ("X", "b\0", "the field X has a control character"),
    ("X", "\x7f", "the field X has a control character"),
])  # fmt: skip
def test_a_field_that_could_not_be_sent_on_is_answered_400(
    name: str, value: str, fault: str
) -> None:
    exchange = open_with(Headers([("Host", "a"), (name, value)]))
    assert exchange.local_reply is not None
    assert (exchange.local_reply.status, exchange.local_reply.text) == (
        400,
        f"bad request: {fault}",
    )
    assert exchange.backend is None


@pytest.mark.parametrize("cookies", [{"a": "b\n"}, {"a\0": "b"}])
def test_so_is_a_cookie(cookies: dict[str, str]) -> None:
    exchange = open_with(**cookies)
    assert exchange.local_reply is not None
    assert exchange.local_reply.status == 400
    assert exchange.local_reply.text.endswith("has a control character")


def test_tabs_and_letters_of_any_alphabet_may_stand_in_a_value() -> None:
    exchange = open_with(Headers([("X", "a\tb é 漢"), ("!#$%&'*+-.^_`|~", "")]), a="é;=")
    assert (exchange.local_reply, exchange.attempts) == (None, 1)


def test_names_and_values_are_what_they_are_on_the_wire() -> None:
    for number in range(256):
        letter = chr(number)
        wire = letter.encode("latin-1")
        named = find_fault(Headers([(f"X{letter}", "")])) is None
        valued = find_fault(Headers([("X", f"a{letter}b")])) is None
        assert named == (is_token_on_the_wire(b"X" + wire) is not None)
        assert valued == (is_text(b"a" + wire + b"b") is not None)


def test_what_a_parser_has_checked_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "check_fields", None)
    assert open_with(WellFormedHeaders([("Host", "a")])).attempts == 1
    assert open_with().attempts == 1
