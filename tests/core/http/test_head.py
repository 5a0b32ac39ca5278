"""What no parser of the wire has looked at is refused as a parser would have refused it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.http.head import (
    CLAIMING,
    LOOK_AGAIN,
    WELL_FORMED,
    check_head,
    find_fault,
    find_line_fault,
    is_well_formed,
    judge,
)
from l7proxy.core.http.messages import (
    NO_HEADERS,
    ClaimingHeaders,
    Headers,
    HttpRequest,
    WellFormedHeaders,
)
from l7proxy.core.proxy import Proxy


def opened(request: HttpRequest) -> Exchange:
    return Proxy(config_from({"backends": ["a:1"]}), Random(0)).open(request, 0.0)


def refusal(request: HttpRequest) -> tuple[int, str] | None:
    exchange = opened(request)
    reply = exchange.local_reply
    assert (reply is None) == (exchange.attempts == 1)
    return None if reply is None else (reply.status, reply.text)


def with_fields(*fields: tuple[str, str]) -> HttpRequest:
    return HttpRequest("GET", "/", Headers(fields))


@pytest.mark.parametrize(("name", "value", "fault"), [
    ("X: a\r\nY", "b", "a field's name has a control character"),
    ("", "b", '"" is not a field name'),
    ("X ", "b", '"X " is not a field name'),
    ("X\n", "b", "a field's name has a control character"),
    ("X\t", "b", '"X\\t" is not a field name'),
    ("Ä", "b", '"Ä" is not a field name'),
    ("X", "b\r\nZ: 1", "the field X has a control character"),
    ("X", "b\0", "the field X has a control character"),
    ("X", "\x7f", "the field X has a control character"),
    ("X" * 61, "\x7f", f"the field {'X' * 60}... has a control character"),
])  # fmt: skip
def test_a_field_that_could_not_be_sent_on_is_answered_400(
    name: str, value: str, fault: str
) -> None:
    assert refusal(with_fields(("Host", "a"), (name, value))) == (400, f"bad request: {fault}")


@pytest.mark.parametrize("cookies", [{"a": "b\n"}, {"a\0": "b"}])
@pytest.mark.parametrize("target", ["/", "/..", "*"])
def test_so_is_a_cookie(cookies: dict[str, str], target: str) -> None:
    found = refusal(HttpRequest("OPTIONS", target, cookies=cookies))
    assert found is not None
    assert found[0] == 400
    assert found[1].endswith("has a control character")


def test_tabs_and_letters_of_any_alphabet_may_stand_in_a_value() -> None:
    headers = Headers([("X", "a\tb é 漢"), ("!#$%&'*+-.^_`|~", "")])
    assert refusal(HttpRequest("GET", "/", headers, cookies={"a": "é;="})) is None


@pytest.mark.parametrize(("hosts", "why"), [
    (["a b"], '"a b" is not a host'),
    ([""], '"" is not a host'),
    (["a", "a"], "more than one Host header"),
])  # fmt: skip
def test_host_is_looked_at_whether_or_not_a_route_asks_for_it(hosts: list[str], why: str) -> None:
    fields = [(name, host) for name, host in zip(("Host", "hOST"), hosts, strict=False)]
    assert refusal(with_fields(*fields)) == (400, f"bad request: {why}")


def test_the_one_expectation_that_can_be_met_is_100_continue() -> None:
    assert refusal(with_fields(("Expect", "100-Continue"))) is None
    assert refusal(with_fields(("expect", "more"))) == (
        417,
        'Expect is "more"; only 100-continue can be met',
    )


def test_what_a_parser_has_checked_is_not_checked_again() -> None:
    assert refusal(HttpRequest("GET", "/", WellFormedHeaders([("Host", "a b")]))) is None
    assert refusal(HttpRequest("GET", "/", NO_HEADERS)) is None


@pytest.mark.parametrize(("method", "target", "fields", "why"), [
    ("G\0T", "/\0", [("X\0", "")], "the method has"),
    ("G(T", "/\0", [("X\0", "")], "the path has a space, a control character or a #"),
    ("G(T", "/ ", [("X\0", "")], '"G(T" is not a method'),
    ("GET", "/ ", [("X\0", "")], "the path has a space, a control character or a #"),
    ("GET", "a", [("X\0", "")], "the path must start with /"),
    ("TRACE", "/..", [("(", ""), ("X", "\0")], "the field X has"),
    ("TRACE", "/..", [("(", ""), ("Host", "")], '"(" is not'),
    ("TRACE", "/..", [("Expect", "x"), ("Host", "")], '"" is not a host'),
    ("OPTIONS", "*", [("Expect", "x")], "Expect is"),
    ("OPTIONS", "http://a", [("Host", "")], '"" is not a host'),
    ("TRACE", "/..", [], "no route takes this method: TRACE"),
    ("GET", "/..", [], "the path climbs"),
])  # fmt: skip
def test_of_several_faults_the_first_that_is_read_counts(
    method: str, target: str, fields: list[tuple[str, str]], why: str
) -> None:
    found = refusal(HttpRequest(method, target, Headers(fields)))
    assert found is not None and found[1].removeprefix("bad request: ").startswith(why)


PIECES = st.sampled_from(["a", "Host", "hoST", "Expect", "X-A", "(", " ", "\t", "\n", "\x7f", "é"])
texts = st.lists(PIECES, max_size=3).map("".join)


@given(st.lists(st.tuples(texts, texts), max_size=4))
def test_what_a_quick_look_finds_good_is_good(fields: list[tuple[str, str]]) -> None:
    if is_well_formed(dict(fields)):
        check_head(with_fields(*dict(fields).items()))
        assert all(value == value.strip(" \t") for value in dict(fields).values())


@pytest.mark.parametrize(("fields", "found"), [
    ({"Host": "a"}, WELL_FORMED),
    ({"Host": "a", "X-Forwarded-For": "b"}, CLAIMING),
    ({"forwarded": "b", "hosT": "a"}, CLAIMING),
    ({"Host": "a b", "X-Forwarded-For": "b"}, LOOK_AGAIN),
    ({"X-Forwarded-For": "b", "Expect": "c"}, LOOK_AGAIN),
    ({"X-Forwarded-For": "b\n"}, LOOK_AGAIN),
    ({"If-Range": "a", "If_Range": "b"}, LOOK_AGAIN),
])  # fmt: skip
def test_a_quick_look_tells_claims_from_faults(fields: dict[str, str], found: int) -> None:
    for _ in range(2):
        assert judge(fields) == found
        assert is_well_formed(fields) == (found == WELL_FORMED)


def test_claims_that_were_checked_are_not_checked_again() -> None:
    assert refusal(HttpRequest("GET", "/", ClaimingHeaders({"Host": "a b"}))) is None


def test_what_a_quick_look_remembers_is_no_reason_to_trust_other_values() -> None:
    for host, good in (("a", True), ("a b", False), ("a", True)):
        assert is_well_formed({"Host": host, "X": "b"}) == good
        assert is_well_formed({"Host": "a", "X": "b" if good else "b\n"}) == good


def test_so_many_heads_may_come_as_want_to() -> None:
    for number in range(3000):
        assert is_well_formed({"Host": "a", f"X-{number}": "b"})
        assert not is_well_formed({"Host": "a", f"X-{number}(": "b"})
    assert is_well_formed({"Host": "a", "X-" + "a" * 5000: "b"})
    with pytest.raises(TypeError):
        is_well_formed({"Host": "a", "X-1": None})  # type: ignore[dict-item]


def test_what_can_be_sent_has_no_fault() -> None:
    assert find_line_fault("GET", "/é?ü") is None
    assert find_line_fault("CONNECT", "a.example:443") is None
    assert find_fault([("X", ""), ("Y", " ")]) is None
