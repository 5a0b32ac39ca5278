"""Learned sessions: which are remembered, for how long, and what the client is told."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core import Headers, HttpResponse
from l7proxy.core.affinity.learn import Learned, Sessions
from tests.core.affinity.support import open_with, pair_of, sticky_proxy, visit

LEARN: dict[str, Any] = {"learn": {}}


def test_a_client_with_no_session_is_given_one() -> None:
    proxy = sticky_proxy(LEARN)
    backend, told = visit(proxy)
    assert told == "session_id=5b6d9940ffd09b0c755021f27395bb64; backend=a"
    assert [visit(proxy, session_id=pair_of(told)[11:]) for _ in range(3)] == [(backend, None)] * 3


def test_an_unknown_session_is_learned_and_keeps_its_id() -> None:
    proxy = sticky_proxy(LEARN)
    assert visit(proxy, session_id="mine") == ("a", "session_id=mine; backend=a")
    assert visit(proxy, cookie="x=1; session_id=mine; y=2") == ("a", None)
    assert visit(proxy, session_id="yours") == ("b", "session_id=yours; backend=b")


def test_an_empty_session_is_none() -> None:
    proxy = sticky_proxy(LEARN)
    _, told = visit(proxy, session_id="")
    assert told is not None and not told.startswith("session_id=;")


def test_a_session_that_the_application_starts_is_learned_from_its_response() -> None:
    proxy = sticky_proxy({"learn": {"cookie": "SID"}})
    assert visit(proxy, sets="other=1") == ("a", "SID=5b6d9940ffd09b0c755021f27395bb64; backend=a")
    assert visit(proxy, sets="SID=s1; Path=/; HttpOnly") == ("b", None)
    assert visit(proxy, SID="s1") == ("b", None)


def test_a_session_that_the_application_renews_stays_where_it_is() -> None:
    proxy = sticky_proxy(LEARN)
    visit(proxy, session_id="old")
    assert visit(proxy, session_id="old", sets="session_id=new") == ("a", None)
    assert visit(proxy, session_id="new") == ("a", None)


def test_an_application_that_ends_a_session_teaches_nothing() -> None:
    proxy = sticky_proxy(LEARN)
    visit(proxy, session_id="s")
    assert visit(proxy, session_id="s", sets="session_id=; Max-Age=0") == ("a", None)


def test_a_backend_that_is_down_is_replaced_and_the_client_told() -> None:
    proxy = sticky_proxy(LEARN)
    pool = proxy.pools["web"]
    visit(proxy, session_id="s")
    pool.set_state(pool.by_name["a"], "drain", 0.0)
    assert visit(proxy, session_id="s") == ("b", "session_id=s; backend=b")
    assert visit(proxy, session_id="s") == ("b", None)
    pool.remove(pool.by_name["b"], 0.0)
    assert visit(proxy, session_id="s") == ("c", "session_id=s; backend=c")


def test_over_http_only_a_new_session_is_told() -> None:
    proxy = sticky_proxy(LEARN)
    new, known = open_with(proxy), open_with(proxy, session_id="known")
    for exchange in (new, known):
        exchange.answered(HttpResponse(200, Headers()), 0.0)
        assert exchange.set_cookie is not None
    assert new.set_cookie_header == "session_id=5b6d9940ffd09b0c755021f27395bb64; Path=/; HttpOnly"
    assert known.set_cookie_header is None


def test_a_session_is_forgotten_when_it_was_not_used_for_its_ttl() -> None:
    proxy = sticky_proxy({"learn": {"ttl": 10}})
    visit(proxy, 0, session_id="s")
    assert visit(proxy, 9, session_id="s") == ("a", None)
    assert visit(proxy, 18.9, session_id="s") == ("a", None)
    assert visit(proxy, 28.9, session_id="s") == ("b", "session_id=s; backend=b")


def test_the_longest_unused_makes_room() -> None:
    proxy = sticky_proxy({"learn": {"max_sessions": 2}})
    for session in ("s1", "s2", "s1", "s3"):
        visit(proxy, session_id=session)
    assert visit(proxy, session_id="s1") == ("a", None)
    assert visit(proxy, session_id="s2")[1] == "session_id=s2; backend=a"


def test_the_snapshot_says_how_many_are_remembered() -> None:
    proxy = sticky_proxy({"learn": {"max_sessions": 3}})
    for n in range(5):
        visit(proxy, session_id=f"s{n}")
    visit(proxy, session_id="s4")
    assert proxy.pools["web"].snapshot()["sticky"] == {
        "kind": "learn",
        "cookie": "session_id",
        "honoured": 1,
        "assigned": 5,
        "replaced": 0,
        "sessions": 3,
    }


def test_another_configuration_goes_on_with_the_sessions() -> None:
    before = sticky_proxy({"learn": {"ttl": 100, "max_sessions": 9}})
    for n in range(9):
        visit(before, session_id=f"s{n}")
    after = sticky_proxy({"learn": {"ttl": 50, "max_sessions": 4}}, backends=["b:1", "c:1"])
    after.handover_from(before, 0.0)
    assert visit(after, 1, session_id="s7") == ("b", None)
    assert visit(after, 1, session_id="s6") == ("b", "session_id=s6; backend=b"), "a is gone"
    for n in range(3):
        visit(after, 2, session_id=f"new{n}")
    affinity = after.pools["web"].affinity
    assert affinity is not None and affinity.snapshot()["sessions"] <= 4 + 2
    assert visit(after, 51.5, session_id="s7")[1] is not None, "the new ttl counts"


def test_sessions_under_another_cookie_are_not_taken_over() -> None:
    before, after = sticky_proxy(LEARN), sticky_proxy({"learn": {"cookie": "sid"}})
    visit(before, session_id="s")
    after.handover_from(before, 0.0)
    assert visit(after, sid="s")[1] is not None


def test_the_table_holds_nobodys_session_id() -> None:
    proxy = sticky_proxy(LEARN)
    visit(proxy, session_id="a-secret" * 1000)
    affinity = proxy.pools["web"].affinity
    assert isinstance(affinity, Learned)
    assert [len(digest) for digest in affinity.sessions] == [16]


@given(
    limit=st.integers(1, 5),
    ttl=st.sampled_from([1e-20, 0.5, 3]),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh"), st.floats(0, 2))),
)
def test_the_table_remembers_what_a_list_searched_from_end_to_end_would(
    limit: int, ttl: float, steps: list[tuple[bool, str, float]]
) -> None:
    sessions, now = Sessions(limit, ttl), 100.0
    model: OrderedDict[str, tuple[str, float]] = OrderedDict()
    for number, (puts, key, gap) in enumerate(steps):
        now += gap
        for old in [k for k, (_, used) in model.items() if used + ttl <= now]:
            del model[old]
        if puts:
            sessions.put(key, str(number), now)
            model[key] = str(number), now
            model.move_to_end(key)
            if len(model) > limit:
                model.popitem(last=False)
        else:
            expected = model.get(key)
            assert sessions.get(key, now) == (expected and expected[0])
            if expected:
                model[key] = expected[0], now
                model.move_to_end(key)
        assert len(sessions) <= limit
