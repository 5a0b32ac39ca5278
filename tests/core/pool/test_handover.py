"""What a proxy with another configuration takes over from the one before it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core import Exchange, HttpRequest, HttpResponse, Proxy, config_from
from l7proxy.core.exchange_state import ATTEMPTING, ENDED, QUEUED
from l7proxy.core.http.local_reply import RESET
from l7proxy.core.pool.pool import Pool

GOOD, BAD = HttpResponse(200), HttpResponse(500)


class Succession:
    """A proxy with the pool `p`, and those that take its place, each with timers of its own.

    `reload` changes what the pool's configuration says; `log` is what all of them say.
    """

    def __init__(self, *backends: Any, **pool: Any) -> None:
        self.log: list[str] = []
        self.settings = {"backends": list(backends), **pool}
        self.proxy = self.make()
        self.proxy.start(0.0)

    def make(self) -> Proxy:
        settings = {key: value for key, value in self.settings.items() if value is not None}
        config = config_from({"backend_pools": {"p": settings}})
        return Proxy(config, Random(0), log=lambda now, text: self.log.append(f"{now:g} {text}"))

    def reload(self, now: float, **changes: Any) -> None:
        self.settings.update(changes)
        before, self.proxy = self.proxy, self.make()
        self.proxy.handover_from(before, now)
        before.stop()
        self.proxy.start(now)
        # Nothing goes on by itself but the time of those that wait for a place.
        assert before.pools["p"].queue or before.timers.next_deadline() is None

    @property
    def pool(self) -> Pool:
        return self.proxy.pools["p"]

    def begin(self, now: float, method: str = "GET") -> Exchange:
        return self.proxy.open(HttpRequest(method, "/p"), now)

    def states(self) -> dict[str, str]:
        return {backend.name: ",".join(backend.why_not()) for backend in self.pool.backends}


def test_a_pool_goes_on_with_what_was_known_of_the_backends_that_stay() -> None:
    story = Succession("a:1", "b:1", "c:1")
    for backend in story.pool.backends:
        backend.total, backend.failures = 7, 2
        story.pool.set_state(backend, "drain", 0.0)
    story.reload(0.0, backends=["a:1", "b:2", "d:1"])
    assert [(b.name, b.total, b.failures, b.eligible) for b in story.pool.backends] == [
        ("a", 7, 2, False), ("b", 0, 0, True), ("d", 0, 0, True),
    ]  # fmt: skip


# Health checks.


FAST = {"interval": 4, "timeout": 1, "jitter": 0, "fall": 2, "rise": 2}


def check(story: Succession, now: float, **statuses: int) -> None:
    """All checks that are due by now are answered, 200 if nothing else is said."""
    story.proxy.timers.advance(now)
    asked = {probe.backend.name: probe for probe in story.proxy.probes}
    story.proxy.probes.clear()
    assert set(statuses) <= set(asked)
    for name, probe in asked.items():
        probe.answered(statuses.get(name, 200), now)


def test_who_was_down_is_down_until_a_check_finds_it_up() -> None:
    story = Succession("a:1", "b:1", health={**FAST, "rise": 1})
    check(story, 0.0)
    story.pool.set_state(story.pool.by_name["a"], "down", 0.0)
    story.reload(1.0)
    assert story.states() == {"a": "down", "b": ""}
    check(story, 4.0)
    assert story.states() == {"a": "", "b": ""}


def test_nobody_who_was_down_is_used_before_the_checks_begin() -> None:
    story = Succession("a:1", "b:1", health=FAST)
    story.pool.set_state(story.pool.by_name["a"], "down", 0.0)
    other = Succession("a:1", "b:1", health=FAST)
    other.pool.handover_from(story.pool, 1.0)
    assert [backend.eligible for backend in other.pool.backends] == [False, True]


@pytest.mark.parametrize("changes", [{}, {"health": {**FAST, "initially_up": False, "rise": 3}}])
def test_who_was_up_is_up_also_where_those_that_are_new_have_to_be_found_up_first(
    changes: dict[str, Any],
) -> None:
    story = Succession("a:1", health={**FAST, "initially_up": False})
    check(story, 0.0)
    check(story, 4.0)
    assert story.states() == {"a": ""}
    story.reload(5.0, backends=["a:1", "b:1"], **changes)
    assert story.states() == {"a": "", "b": "down"}


def test_checks_go_on_in_a_row_and_at_their_time() -> None:
    story = Succession("a:1", health=FAST)
    check(story, 0.0, a=500)
    story.reload(1.0)
    assert story.proxy.timers.next_deadline() == 4.0
    check(story, 4.0, a=500)
    assert story.states() == {"a": "down"}


def test_other_checks_begin_at_once_and_with_a_row_of_their_own() -> None:
    story = Succession("a:1", health=FAST)
    check(story, 0.0, a=500)
    story.reload(1.0, health={**FAST, "path": "/health"})
    check(story, 1.0, a=500)
    assert story.states() == {"a": ""}


def test_a_check_under_way_is_given_up_and_made_again_at_its_time() -> None:
    story, told = Succession("a:1", health=FAST), []
    story.proxy.timers.advance(0.0)
    story.proxy.probes.popleft().on_abandon = lambda: told.append(True)
    story.reload(0.5)
    assert (told, story.proxy.timers.next_deadline()) == ([True], 4.0)


# Ejections.


EJECTION = {"consecutive_failures": 2, "time": 2, "max_share": 1}


def test_checks_that_had_not_begun_begin_with_who_takes_over() -> None:
    story = Succession("a:1", "b:1", health=FAST)
    story.proxy = story.make()
    story.pool.set_state(story.pool.backends[0], "down", 0.0)
    story.reload(1.0)
    assert story.states() == {"a": "down", "b": ""}
    story.proxy.timers.advance(1.0)
    assert sorted(probe.backend.name for probe in story.proxy.probes) == ["a", "b"]


def fail(story: Succession, now: float, times: int = 1) -> None:
    for _ in range(times):
        story.begin(now, "POST").answered(BAD, now)


def test_an_ejection_lasts_as_long_as_it_was_to_and_the_next_one_longer() -> None:
    story = Succession("a:1", ejection=EJECTION)
    fail(story, 0.0, 2)
    story.reload(1.0)
    story.reload(1.5)
    assert story.states() == {"a": "ejected"}
    story.proxy.timers.advance(2.0)
    assert story.states() == {"a": ""}
    fail(story, 2.5, 2)
    assert story.log == [
        "0 pool p: a is ejected for 2 s", "2 pool p: a is no longer ejected",
        "2.5 pool p: a is ejected for 4 s",
    ]  # fmt: skip


def test_failures_in_a_row_may_have_a_reload_between_them() -> None:
    story = Succession("a:1", ejection=EJECTION)
    fail(story, 0.0)
    story.reload(1.0)
    fail(story, 1.0)
    assert story.states() == {"a": "ejected"}


def test_those_that_were_ejected_count_for_how_many_may_be() -> None:
    story = Succession("a:1", "b:1", ejection={**EJECTION, "consecutive_failures": 1,
                                               "max_share": 0.5})  # fmt: skip
    fail(story, 0.0)
    story.reload(1.0)
    fail(story, 1.0)
    assert story.states() == {"a": "ejected", "b": ""}


@pytest.mark.parametrize(
    "changes",
    [
        {"ejection": {**EJECTION, "time": 3}},
        {"ejection": None},
        {"backends": [{"address": "a:2", "name": "a"}]},
        {"backends": [{"address": "a:1", "name": "b"}]},
    ],
    ids=["other settings", "none", "other address", "other name"],
)
def test_whoever_is_judged_otherwise_or_is_another_gets_a_fresh_chance(
    changes: dict[str, Any],
) -> None:
    story = Succession("a:1", ejection=EJECTION)
    fail(story, 0.0, 2)
    story.reload(1.0, **changes)
    assert list(story.states().values()) == [""]
    assert story.proxy.timers.next_deadline() is None


# Circuits.


BREAKER = {"failures": 1, "open_time": 2, "successes": 1}


def test_a_circuit_stays_open_as_long_as_it_was_to() -> None:
    story = Succession("a:1", breaker=BREAKER)
    fail(story, 0.0)
    story.reload(1.0)
    assert story.states() == {"a": "broken"}
    story.proxy.timers.advance(2.0)
    assert story.states() == {"a": ""}
    story.begin(2.0).answered(GOOD, 2.0)
    assert [line.rpartition(" ")[2] for line in story.log] == ["open", "half-open", "closed"]


def test_a_probe_from_before_counts_and_there_is_no_other_meanwhile() -> None:
    story = Succession("a:1", breaker=BREAKER)
    fail(story, 0.0)
    story.proxy.timers.advance(2.0)
    probe = story.begin(2.0)
    assert probe.state is ATTEMPTING
    story.reload(2.5)
    assert story.states() == {"a": "broken"}
    probe.answered(GOOD, 3.0)
    assert story.states() == {"a": ""}
    assert story.log[-1] == "3 pool p: a: the circuit is closed"


def test_a_probe_from_before_that_nobody_waits_for_makes_room_for_another() -> None:
    story = Succession("a:1", breaker=BREAKER)
    fail(story, 0.0)
    story.proxy.timers.advance(2.0)
    probe = story.begin(2.0)
    story.reload(2.5)
    probe.cancelled(3.0)
    assert story.begin(3.0).state is ATTEMPTING


def test_with_other_settings_a_circuit_is_closed_again() -> None:
    story = Succession("a:1", breaker=BREAKER)
    fail(story, 0.0)
    story.reload(1.0, breaker={**BREAKER, "open_time": 3})
    assert story.states() == {"a": ""}


# Slow start.


def weights(story: Succession) -> dict[str, float]:
    return {backend.name: backend.weight for backend in story.pool.backends}


def test_whoever_starts_slowly_goes_on_doing_so_towards_its_weight_of_now() -> None:
    story = Succession("a:1", slow_start=8)
    story.pool.warm_up(story.pool.backends[0], 0.0)
    story.proxy.timers.advance(1.5)
    story.reload(1.5, backends=[{"address": "a:1", "weight": 4}])
    assert weights(story) == {"a": 1.0}
    story.proxy.timers.advance(2.0)
    assert weights(story) == {"a": 1.5}
    story.reload(2.5, slow_start=16)
    assert weights(story) == {"a": 4}


def test_whoever_is_new_starts_slowly() -> None:
    story = Succession("a:1", slow_start=8)
    assert weights(story) == {"a": 1}
    story.reload(1.0, backends=["a:1", "b:1"])
    assert weights(story) == {"a": 1, "b": 0.125}
    story.proxy.timers.advance(2.0)
    assert weights(story) == {"a": 1, "b": 0.25}


# What is in flight meanwhile.


def test_what_is_in_flight_is_counted_where_it_matters_now() -> None:
    story = Succession("a:1", ejection={**EJECTION, "consecutive_failures": 1})
    failing, breaking = story.begin(0.0, "POST"), story.begin(0.0)
    story.reload(1.0)
    story.reload(1.5)
    assert breaking.responded(200, 2.0)
    breaking.failed(RESET, 2.0)
    (backend,) = story.pool.backends
    assert (backend.total, backend.failures, story.states()) == (2, 1, {"a": "ejected"})
    failing.answered(BAD, 3.0)
    assert (backend.failures, story.log) == (2, ["2 pool p: a is ejected for 2 s"])


def test_what_was_in_flight_and_ends_well_ends_a_row_of_failures() -> None:
    story = Succession("a:1", ejection=EJECTION)
    slow = story.begin(0.0)
    fail(story, 0.0)
    story.reload(1.0)
    slow.answered(GOOD, 1.5)
    fail(story, 2.0)
    assert story.states() == {"a": ""}


def test_a_retry_of_what_was_in_flight_is_an_attempt_like_any_other() -> None:
    story = Succession("a:1", "b:1")
    exchange = story.begin(0.0)
    story.reload(1.0)
    exchange.failed(RESET, 2.0)
    exchange.answered(GOOD, 3.0)
    assert [(b.total, b.failures) for b in story.pool.backends] == [(1, 1), (1, 0)]


def test_how_it_goes_with_a_backend_that_is_gone_is_of_no_interest() -> None:
    story = Succession("a:1", "b:1")
    exchange = story.begin(0.0)
    story.reload(1.0, backends=["b:1"])
    exchange.failed(RESET, 2.0)
    exchange.cancelled(3.0)
    assert [(b.total, b.failures) for b in story.pool.backends] == [(1, 0)]


def test_a_retry_on_a_backend_that_is_gone_counts_for_nobody() -> None:
    story = Succession("a:1", "b:1")
    old = story.begin(0.0)
    story.reload(1.0, backends=["a:1"])
    old.failed(RESET, 2.0)
    assert old.backend is not None and old.backend.name == "b"
    old.answered(GOOD, 3.0)
    assert [(b.name, b.total, b.failures) for b in story.pool.backends] == [("a", 1, 1)]


def test_whoever_gets_a_place_by_what_was_in_flight_is_seen_by_its_own_shell() -> None:
    backends = [{"address": "a:1", "max_connections": 1}, "b:1"]
    story = Succession(*backends, breaker=BREAKER)
    first, second = story.begin(0.0), story.begin(0.0, "POST")
    second.answered(BAD, 0.0)
    first.answered(GOOD, 0.0)
    story.proxy.timers.advance(2.0)
    both = [story.begin(2.0), story.begin(2.0)]
    story.reload(2.5)
    waiting = story.begin(2.5)
    assert waiting.state is QUEUED
    (probe,) = (exchange for exchange in both if exchange.backend is second.backend)
    probe.answered(GOOD, 3.0)
    assert waiting.state is ATTEMPTING
    assert story.proxy.timers.next_deadline() == 3.0


def test_what_was_in_flight_keeps_its_place_for_as_long_as_it_takes() -> None:
    story = Succession({"address": "a:1", "max_connections": 1})
    old = story.begin(0.0)
    for now in (1.0, 2.0):
        story.reload(now)
        assert story.pool.backends[0].in_flight == 1
    new = story.begin(2.0)
    assert new.state is QUEUED
    assert story.pool.requests == 1
    old.answered(GOOD, 3.0)
    assert new.state is ATTEMPTING
    assert story.proxy.timers.next_deadline() == 3.0
    assert (story.pool.requests, story.pool.backends[0].in_flight) == (1, 1)
    new.answered(GOOD, 4.0)
    assert (story.pool.requests, story.pool.backends[0].in_flight) == (0, 0)


def test_a_request_that_lasts_over_any_number_of_reloads_gives_its_place_back() -> None:
    story = Succession({"address": "a:1", "max_connections": 2}, algorithm="least-connections")
    download = story.begin(0.0)
    for now in range(1, 2001):
        story.reload(float(now))
        story.begin(float(now)).answered(GOOD, float(now))
        assert story.pool.lineage is not None and len(story.pool.lineage) <= 2
    (backend,) = story.pool.backends
    assert (backend.total, backend.in_flight) == (2001, 1)
    download.answered(GOOD, 2001.0)
    assert story.pool.lineage is not None and len(story.pool.lineage) == 0
    assert backend.in_flight == 0


def test_requests_of_any_number_of_configurations_give_their_places_back() -> None:
    story = Succession("a:1", algorithm="least-connections", ejection=EJECTION)
    lasting = []
    for now in range(1200):
        lasting.append(story.begin(float(now)))
        story.reload(float(now))
    (backend,) = story.pool.backends
    assert (backend.total, backend.in_flight) == (1200, 1200)
    Random(1).shuffle(lasting)
    for exchange in lasting:
        assert exchange.responded(200, 1200.0)
        exchange.completed(1200.0)
    assert (backend.in_flight, backend.failures) == (0, 0)
    assert story.pool.lineage is not None and len(story.pool.lineage) == 0


def test_a_pool_between_that_has_nothing_to_do_is_left_out() -> None:
    """One that did not know a backend stays the end of what was on it, though."""
    story = Succession("a:1", "b:1")
    old = [story.begin(0.0) for _ in range(2)]
    story.reload(1.0, backends=["a:1"])
    between = story.begin(1.0)
    story.reload(2.0, backends=["a:1", "b:1"])
    assert story.pool.lineage is not None and len(story.pool.lineage) == 2
    between.answered(GOOD, 2.0)
    assert len(story.pool.lineage) == 1
    assert [(b.name, b.in_flight) for b in story.pool.backends] == [("a", 1), ("b", 0)]
    for exchange in old:
        exchange.answered(GOOD, 3.0)
    assert [(b.name, b.in_flight, b.total) for b in story.pool.backends] == [
        ("a", 0, 2), ("b", 0, 0),
    ]  # fmt: skip
    assert len(story.pool.lineage) == 0


def test_a_pool_that_is_left_out_and_gets_a_copy_after_all_tells_of_it() -> None:
    story = Succession("a:1")
    late = story.pool
    for now in (1.0, 2.0):
        story.reload(now)
    assert story.pool.lineage is not None and len(story.pool.lineage) == 0
    late.acquire(late.backends[0], 3.0)
    assert story.pool.backends[0].in_flight == 1
    late.release(late.backends[0], 3.0)
    assert story.pool.backends[0].in_flight == 0


def test_who_waits_for_a_place_keeps_the_backends_that_it_waits_for() -> None:
    """As with nginx and HAProxy: the old configuration is at work until its requests have ended."""
    story = Succession({"address": "a:1", "max_connections": 1}, queue={"timeout": 10})
    old, waiting, last = (story.begin(0.0) for _ in range(3))
    before = story.proxy
    story.reload(1.0, backends=["b:1"])
    new = story.begin(1.0)
    assert new.backend is not None and new.backend.name == "b"
    assert waiting.state is QUEUED
    old.answered(GOOD, 2.0)
    assert waiting.state is ATTEMPTING
    assert waiting.backend is not None and waiting.backend.name == "a"
    before.timers.advance(10.0)
    assert last.state is ENDED and last.response is not None and last.response.status == 503
    for exchange in (waiting, new):
        exchange.answered(GOOD, 11.0)
    assert before.pools["p"].requests == story.pool.requests == 0


def test_who_has_waited_since_before_comes_first_on_a_backend_that_stays() -> None:
    story = Succession({"address": "a:1", "max_connections": 1})
    line = [story.begin(0.0), story.begin(0.0)]
    for now in (1.0, 2.0):
        story.reload(now)
        line.append(story.begin(now))
    while line:
        first, *line = line
        assert [exchange.state for exchange in (first, *line)] == [ATTEMPTING] + [QUEUED] * len(
            line
        )
        assert story.pool.backends[0].in_flight == 1
        first.answered(GOOD, 3.0)
    assert story.pool.backends[0].in_flight == story.pool.requests == 0


def test_who_allows_fewer_at_once_waits_for_what_is_too_much_to_end() -> None:
    story = Succession("a:1")
    first, second = story.begin(0.0), story.begin(0.0)
    story.reload(1.0, backends=[{"address": "a:1", "max_connections": 1}])
    new = story.begin(1.0)
    first.answered(GOOD, 2.0)
    assert new.state is QUEUED
    second.answered(GOOD, 3.0)
    assert new.state is ATTEMPTING


def test_a_selector_that_goes_by_load_knows_what_is_in_flight() -> None:
    story = Succession("a:1", "b:1", algorithm="least-connections")
    old = [story.begin(0.0) for _ in range(3)]
    story.reload(1.0)
    less, more = sorted(story.pool.backends, key=lambda backend: backend.in_flight)
    assert (less.in_flight, more.in_flight) == (1, 2)
    new = story.begin(1.0)
    assert new.backend is less
    for exchange in (*old, new):
        exchange.answered(GOOD, 2.0)
    assert [backend.in_flight for backend in story.pool.backends] == [0, 0]


def test_that_there_is_panic_is_said_once() -> None:
    story = Succession("a:1", "b:1", ejection=EJECTION, panic_threshold=1)
    fail(story, 0.0, 3)
    assert story.states() == {"a": "ejected", "b": ""}
    story.reload(1.0)
    assert sum("panic" in line for line in story.log) == 1
    story.reload(1.0, panic_threshold=0)
    assert story.log[-1] == "1 pool p: panic is over"
    assert [backend.eligible for backend in story.pool.backends] == [False, True]


# However it comes.


POLICIES = {
    "ejection": {
        "consecutive_failures": 2,
        "failure_rate": {"share": 0.5, "window": 4, "min_requests": 4},
        "time": 2,
        "max_share": 0.7,
    },
    "breaker": {
        "failures": 3,
        "failure_rate": {"share": 0.6, "window": 3, "min_requests": 3},
        "open_time": 1,
        "probes": 2,
    },
    "slow_start": 4,
    "panic_threshold": 0.4,
}

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.sampled_from("abc")),
        st.tuples(st.just("retry"), st.tuples(st.integers(0, 5), st.sampled_from("abc"))),
        st.tuples(st.sampled_from(("good", "bad", "broken", "dropped")), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from((0.25, 0.5, 1.0))),
        st.tuples(st.just("reload"), st.none()),
    ),
    max_size=80,
)


class Attempts:
    """Attempts on a pool's backends, without requests; `reloads` says whether it is reloaded."""

    def __init__(self, *, reloads: bool) -> None:
        self._story = Succession({"address": "a:1", "max_connections": 2}, "b:1", "c:1", **POLICIES)
        self._reloads = reloads
        self._open: list[tuple[Pool, Any, float]] = []
        self._now = 0.0

    def happen(self, kind: str, what: Any) -> None:
        story, now = self._story, self._now
        if kind == "begin":
            self._begin(story.pool, what)
        elif kind == "wait":
            self._now += what
            story.proxy.timers.advance(self._now)
        elif kind == "reload":
            if self._reloads:
                story.reload(now)
        elif kind == "retry":
            which, name = what
            if self._open:
                # It stays with the pool that it began with.
                self._begin(self._open[which % len(self._open)][0], name)
        elif self._open:
            pool, backend, began_at = self._open.pop(what % len(self._open))
            if kind == "dropped":
                pool.dropped(backend, began_at, now)
            elif kind == "bad":
                pool.failed(backend, began_at, now)
            else:
                pool.succeeded(backend, began_at, now)
                end = pool.completed if kind == "good" else pool.broke_off
                end(backend, began_at, now)
            pool.release(backend, now)

    def _begin(self, pool: Pool, name: str) -> None:
        backend = pool.by_name[name]
        pool.acquire(backend, self._now)
        self._open.append((pool, backend, self._now))

    def looks(self) -> Any:
        story = self._story
        backends = [
            (b.name, b.flags, b.eligible, b.weight, b.total, b.failures, b.in_flight)
            for b in story.pool.backends
        ]
        more = [
            [observer.snapshot(b) for observer in story.pool.observers] for b in story.pool.backends
        ]
        return backends, more, story.proxy.timers.next_deadline(), story.log


@given(EVENTS)
def test_with_the_same_settings_nobody_can_tell_that_there_was_a_reload(
    events: list[tuple[str, Any]],
) -> None:
    plain, reloaded = Attempts(reloads=False), Attempts(reloads=True)
    for kind, what in events:
        plain.happen(kind, what)
        reloaded.happen(kind, what)
        assert reloaded.looks() == plain.looks()
