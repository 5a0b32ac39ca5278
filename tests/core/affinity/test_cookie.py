"""The proxy's own cookie: who it brings back where, and what is not honoured."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core import ConfigError, HttpRequest, HttpResponse, Proxy, config_from
from l7proxy.core.affinity.cookie import SealedCookie
from tests.core.affinity.support import KEY, name_of, open_with, pair_of, sticky_proxy, visit

BY_KEY = {"cookie": {"key_file": "key"}}


def test_a_client_that_comes_back_gets_the_backend_it_had() -> None:
    proxy = sticky_proxy(BY_KEY)
    first, told = visit(proxy)
    cookie = pair_of(told)
    assert [visit(proxy, cookie=cookie) for _ in range(4)] == [(first, None)] * 4


def test_clients_without_a_cookie_are_balanced_as_ever() -> None:
    proxy = sticky_proxy(BY_KEY)
    cookie = pair_of(visit(proxy)[1])
    seen = []
    for _ in range(3):
        seen.append(visit(proxy)[0])
        visit(proxy, cookie=cookie)
    assert seen == ["b", "c", "a"]


def test_any_replica_with_the_key_honours_it() -> None:
    cookie = pair_of(visit(sticky_proxy(BY_KEY))[1])
    replica = sticky_proxy({"cookie": {"key_env": "padded"}}, backends=["c:1", "b:1", "a:1"])
    assert visit(replica, cookie=cookie) == ("a", None)


@pytest.mark.parametrize("cookie", ["other key", "other pool", "other name"])
def test_a_cookie_from_elsewhere_is_ignored(cookie: str) -> None:
    elsewhere = {
        "other key": sticky_proxy({"cookie": {"key_file": "other"}}),
        "other pool": sticky_proxy(BY_KEY, name="shop"),
        "other name": sticky_proxy({"cookie": {"key_file": "key", "name": "route"}}),
    }
    foreign = pair_of(visit(elsewhere[cookie])[1])
    proxy = sticky_proxy(BY_KEY)
    visit(proxy)
    backend, told = visit(proxy, cookie=foreign)
    assert backend == "b"
    assert told is not None


def test_the_cookie_reveals_no_name() -> None:
    _, told = visit(sticky_proxy(BY_KEY, backends=["secret-host-7:8080"]))
    assert told is not None
    assert re.fullmatch(r"l7proxy=[A-Za-z0-9_-]{32}; Path=/; HttpOnly", told)


def test_its_attributes_are_as_configured() -> None:
    config = {
        "name": "lb",
        "key_file": "key",
        "path": "/shop",
        "max_age": 3600,
        "secure": True,
        "http_only": False,
        "same_site": "None",
    }
    _, told = visit(sticky_proxy({"cookie": config}))
    assert told is not None
    assert told.partition("; ")[2] == "Path=/shop; Max-Age=3600; Secure; SameSite=None"
    assert told.startswith("lb=")


def test_over_http_the_client_is_told_the_same() -> None:
    exchange = open_with(sticky_proxy(BY_KEY))
    assert exchange.set_cookie_header is None
    exchange.responded(200, 0.0)
    assert exchange.set_cookie is not None
    assert exchange.set_cookie_header == exchange.set_cookie


@pytest.mark.parametrize("state", ["down", "drain", "maint"])
def test_a_backend_that_takes_nothing_new_is_replaced_and_the_client_told(state: str) -> None:
    proxy = sticky_proxy(BY_KEY)
    pool = proxy.pools["web"]
    cookie = pair_of(visit(proxy)[1])
    pool.set_state(pool.by_name["a"], state, 0.0)
    backend, told = visit(proxy, cookie=cookie)
    assert backend == "b"
    assert visit(proxy, cookie=pair_of(told)) == ("b", None)
    pool.set_state(pool.by_name["a"], "up", 0.0)
    assert visit(proxy, cookie=pair_of(told)) == ("b", None), "it is not sent back again"


def test_a_backend_that_is_gone_is_replaced_and_one_that_came_is_known() -> None:
    proxy = sticky_proxy(BY_KEY, backends=["a:1", "b:1"])
    pool = proxy.pools["web"]
    of_a = pair_of(visit(proxy)[1])
    pool.remove(pool.by_name["a"], 0.0)
    assert visit(proxy, cookie=of_a)[0] == "b"
    of_d = pair_of(visit(sticky_proxy(BY_KEY, backends=["d:1"]))[1])
    pool.add("d", pool.config.backends[0].replace(address="d:1"), 0.0)
    assert visit(proxy, cookie=of_d) == ("d", None)
    pool.add("a", pool.config.backends[0], 0.0)
    assert visit(proxy, cookie=of_a) == ("a", None), "the name is what counts"


def test_a_full_backend_is_replaced() -> None:
    proxy = sticky_proxy(BY_KEY, backends=[{"address": "a:1", "max_connections": 1}, "b:1"])
    cookie = pair_of(visit(proxy)[1])
    held = open_with(proxy, cookie=cookie)
    assert held.backend is not None and held.backend.name == "a"
    assert visit(proxy, cookie=cookie)[0] == "b"


def test_one_that_waited_gets_its_own_backend_if_that_is_free() -> None:
    only_one = [{"address": f"{name}:1", "max_connections": 1} for name in "ab"]
    proxy = sticky_proxy(BY_KEY, backends=only_one)
    of_b = pair_of(visit(sticky_proxy(BY_KEY, backends=["b:1"]))[1])
    first, second = open_with(proxy), open_with(proxy)
    waits = open_with(proxy, cookie=of_b)
    assert name_of(waits) is None
    second.answered(HttpResponse(200), 1.0)
    assert waits.backend is second.backend
    assert name_of(waits) == "b"
    waits.responded(200, 1.0)
    assert waits.set_cookie is None
    first.answered(HttpResponse(200), 1.0)


def test_after_a_retry_the_client_belongs_to_the_backend_that_answered() -> None:
    from l7proxy.core.http.local_reply import CONNECT_FAILED

    proxy = sticky_proxy(BY_KEY)
    cookie = pair_of(visit(proxy)[1])
    exchange = open_with(proxy, cookie=cookie)
    exchange.failed(CONNECT_FAILED, 0.0, sent=False)
    assert exchange.backend is not None and exchange.backend.name == "b"
    exchange.responded(200, 0.0)
    assert visit(proxy, cookie=pair_of(exchange.set_cookie)) == ("b", None)


def test_an_answer_of_the_proxys_own_sets_nothing() -> None:
    proxy = sticky_proxy(BY_KEY, backends=["a:1"])
    pool = proxy.pools["web"]
    pool.set_state(pool.by_name["a"], "down", 0.0)
    exchange = open_with(proxy)
    assert exchange.response is not None and exchange.response.status == 503
    assert exchange.set_cookie is None


def test_the_snapshot_counts_what_became_of_the_clients() -> None:
    proxy = sticky_proxy(BY_KEY)
    pool = proxy.pools["web"]
    cookie = pair_of(visit(proxy)[1])
    visit(proxy, cookie=cookie)
    pool.set_state(pool.by_name["a"], "down", 0.0)
    visit(proxy, cookie=cookie)
    assert pool.snapshot()["sticky"] == {
        "kind": "cookie",
        "cookie": "l7proxy",
        "honoured": 1,
        "assigned": 1,
        "replaced": 1,
    }


def test_a_pool_that_is_not_sticky_has_nothing_to_consult_or_to_show() -> None:
    pool = Proxy(config_from({"backend_pools": {"web": {"backends": ["a:1"]}}}), Random(0))
    assert pool.pools["web"].affinity is None
    assert "sticky" not in pool.pools["web"].snapshot()


# What is never honoured.

NAMES = [f"backend-{n}" for n in range(20)]
PROXY = sticky_proxy(BY_KEY, backends=[f"{name}:80" for name in NAMES])
ISSUED = {pair_of(visit(PROXY)[1]).partition("=")[2] for _ in NAMES}
ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. "%;,\x00é\ud800'


def honours(value: str) -> bool:
    affinity = PROXY.pools["web"].affinity
    assert affinity is not None
    return affinity.find(HttpRequest("GET", "/", cookies={"l7proxy": value}), 0.0) is not None


def mutated(random: Random, issued: list[str]) -> str:
    value = random.choice(issued)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at, kind = random.randrange(len(value) + 1), random.randrange(8)
        if kind == 0:
            value = value[:at]
        elif kind == 1:
            value = value[:at] + value[at + 1 :]
        elif kind == 2:
            value = value[:at] + random.choice(ALPHABET) + value[at:]
        elif kind == 3:
            other = random.choice(issued)
            value = value[:at] + other[at:]
        elif kind == 4:
            value = value[:at] + value[at:].swapcase()
        elif kind == 5:
            value = value[at:] + value[:at]
        else:
            value = value[:at] + random.choice(ALPHABET) + value[at + 1 :]
    return value


def test_of_a_hundred_thousand_mutated_cookies_none_is_honoured_that_was_not_issued() -> None:
    random, issued = Random(20), sorted(ISSUED)
    assert len(issued) == 20 and all(map(honours, issued))
    tried = 0
    while tried < 100_000:
        value = mutated(random, issued)
        if value in ISSUED:
            continue
        tried += 1
        assert not honours(value), value


@given(st.text())
def test_text_that_was_not_issued_is_ignored(value: str) -> None:
    assert not honours(value)


def test_every_character_counts() -> None:
    for value in sorted(ISSUED):
        for at in range(len(value)):
            assert not honours(value[:at])
            assert not honours(value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :])


def test_proofs_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    value = min(ISSUED)
    assert honours(value)
    assert compared == [(value[8:].encode(), value[8:].encode())]


# Keys and configuration.


@pytest.mark.parametrize(
    ("cookie", "problem"),
    [
        ({}, "/backend_pools/web/sticky/cookie: give the key's place: either key_file or key_env"),
        (
            {"key_file": "a", "key_env": "b"},
            "/backend_pools/web/sticky/cookie: give the key's place: either key_file or key_env",
        ),
        (
            {"key_file": "none"},
            "/backend_pools/web/sticky/cookie/key_file: none: nothing there",
        ),
        (
            {"key_env": "short"},
            "/backend_pools/web/sticky/cookie/key_env: the key needs at least 16 bytes, not 5",
        ),
        (
            {"key_file": "key", "same_site": "None"},
            "/backend_pools/web/sticky/cookie/same_site: browsers drop a cookie with "
            "SameSite=None but not Secure",
        ),
        (
            {"key_file": "key", "path": "/a; Domain=x"},
            '/backend_pools/web/sticky/cookie/path: "/a; Domain=x" must be a path, from /',
        ),
        (
            {"key_file": "key", "name": "a b"},
            '/backend_pools/web/sticky/cookie/name: "a b" must be a cookie\'s name '
            "(RFC 6265, 4.1.1)",
        ),
    ],
)
def test_a_cookie_that_can_not_work_is_refused(cookie: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        sticky_proxy({"cookie": cookie})
    assert str(refused.value) == problem


@pytest.mark.parametrize("sticky", [{}, {"learn": {}, "cookie": {"key_file": "key"}}])
def test_a_pool_is_sticky_in_one_way(sticky: Any) -> None:
    with pytest.raises(ConfigError, match="give either cookie or learn"):
        sticky_proxy(sticky)


def test_without_a_reader_of_keys_there_is_no_sticky_cookie() -> None:
    config = sticky_proxy(BY_KEY).config
    with pytest.raises(ConfigError, match="/key_file: keys can't be read here"):
        Proxy(config, Random(0))


def test_another_configuration_has_nothing_to_take_over() -> None:
    before, after = sticky_proxy(BY_KEY), sticky_proxy(BY_KEY)
    cookie = pair_of(visit(before)[1])
    after.handover_from(before, 0.0)
    after.handover_from(sticky_proxy(BY_KEY, name="shop"), 0.0)
    assert visit(after, cookie=cookie) == ("a", None)


def test_the_key_is_shown_nowhere() -> None:
    proxy = sticky_proxy(BY_KEY)
    affinity = proxy.pools["web"].affinity
    assert isinstance(affinity, SealedCookie)
    for shown in (repr(proxy.config), repr(affinity), str(affinity.snapshot())):
        assert KEY.decode() not in shown
