"""The engine without a node: requests and time in, callbacks out."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

import pytest

from l7proxy.core import Headers, HttpRequest
from l7proxy.core.config import ConfigError, config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.policies.health_check import FEWEST_ROUNDS, MOST_CHECKS, Probe
from l7proxy.core.pool.pool import Pool
from l7proxy.core.proxy import Proxy
from l7proxy.core.random_streams import RandomStreams
from l7proxy.core.trace import Traced
from l7proxy.envelope.errors import BadMember
from l7proxy.node.engine import MOST_IN_VAIN, SIMULATED, Engine
from l7proxy.upstreams.base import Upstream
from l7proxy.upstreams.simulated import Simulated
from tests.node.conversation import one_pool
from tests.node.misbehaving import Buggy, Late


def get(path: str = "/p") -> HttpRequest:
    return HttpRequest("GET", path, Headers(()), client_ip="c")


class Shell:
    """An engine, and what it told: `heard` has the owners of exchanges, and what became of them."""

    def __init__(self, config: dict[str, Any], **options: Any) -> None:
        self.heard: list[Any] = []
        self.exchanges: list[Exchange] = []
        self.proxies: list[Proxy] = []
        self.engine = Engine(
            config_from(config),
            Random(0),
            self._delivered,
            lambda exchange, error, now: self.heard.append(
                (None if exchange is None else exchange.owner, repr(error), now)
            ),
            on_pending=lambda exchange: self.heard.append((exchange.owner, "pending")),
            on_configured=self.proxies.append,
            on_note=lambda now, text: self.heard.append((now, text)),
            **options,
        )

    def _delivered(self, exchange: Exchange, now: float) -> None:
        assert exchange.response is not None
        self.exchanges.append(exchange)
        self.heard.append((exchange.owner, exchange.response.status, now))


def test_a_request_that_is_answered_at_once_is_told_of_once() -> None:
    shell = Shell(one_pool())
    shell.engine.go_to(3)
    shell.engine.open(get(), "one")
    shell.engine.open(get("/none"), "two")
    assert shell.heard == [("one", 200, 3), ("two", 404, 3)]
    assert shell.engine.idle


def test_what_ends_later_is_pending_until_then() -> None:
    shell = Shell(one_pool(simulate={"latency": 2}))
    shell.engine.go_to(0)
    shell.engine.open(get(), "one")
    assert shell.heard == [("one", "pending")] and not shell.engine.idle
    shell.engine.go_to(1)
    shell.engine.open(get(), "two")
    shell.engine.go_to(2)
    assert shell.heard[1:] == [("two", "pending"), ("one", 200, 2)]
    shell.engine.drain()
    assert shell.heard[3:] == [("two", 200, 3)] and shell.engine.idle


def test_an_exchange_may_be_one_that_explains_itself() -> None:
    shell = Shell(one_pool())
    shell.engine.go_to(0)
    shell.engine.open(get(), "one", Traced)
    (exchange,) = shell.exchanges
    assert exchange.decision is not None and exchange.decision["pool"] == "p"


def test_a_bug_is_told_with_the_request_that_it_cost_its_response() -> None:
    shell = Shell(one_pool(), upstreams={"simulated": Buggy})
    shell.engine.go_to(0)
    shell.engine.open(get("/p"), "one")
    shell.engine.configure(config_from({"backends": ["a:1"]}))
    shell.engine.open(get("/bug"), "two")
    assert shell.heard == [("one", 200, 0), ("two", "ZeroDivisionError('a bug')", 0)]
    assert shell.engine.idle


def test_a_bug_in_a_copy_or_in_a_check_concerns_no_request() -> None:
    route = {"path_pattern": "/*", "backend_pool": "a", "mirror": "b"}
    pools = {
        "a": {"backends": ["a:1"]},
        "b": {"backends": ["b:1"], "upstream": "envelope", "health": {"interval": 60}},
    }
    shell = Shell(
        {"backend_pools": pools, "routes": [route]}, upstreams={**SIMULATED, "envelope": Buggy}
    )
    shell.engine.go_to(0)
    shell.engine.open(get("/bug"), "one")
    assert shell.heard == [
        (None, "RuntimeError('a bug')", 0),
        ("one", 200, 0),
        (None, "ZeroDivisionError('a bug')", 0),
    ]


def test_every_configuration_that_is_put_to_work_is_told() -> None:
    shell = Shell(one_pool())
    assert shell.proxies == [shell.engine.proxy] == shell.engine.proxies
    shell.engine.configure(config_from({"backends": ["b:1"]}))
    assert shell.proxies[1:] == [shell.engine.proxy] == shell.engine.proxies


def test_a_configuration_that_can_not_work_changes_nothing() -> None:
    shell = Shell(one_pool())
    particular = "tests.core.selectors.third_party:Particular"
    with pytest.raises(ConfigError, match="not with these backends"):
        shell.engine.configure(config_from({"backends": ["b:1"], "algorithm": particular}))
    shell.engine.go_to(0)
    shell.engine.open(get(), "one")
    assert len(shell.proxies) == 1 and shell.heard == [("one", 200, 0)]


def test_the_state_of_a_backend_is_told_when_it_changes() -> None:
    shell = Shell(one_pool(simulate={"status": 500}, health={"fall": 1}))
    shell.engine.go_to(5)
    ((now, text),) = shell.heard
    assert now == 5 and "a" in text and "down" in text


def test_what_is_in_flight_in_some_pools_can_be_given_up_alone() -> None:
    pools = {
        "here": {"backends": ["a:1"]},
        "there": {"backends": ["b:1"], "upstream": "envelope"},
    }
    upstreams = {**SIMULATED, "simulated": Late, "envelope": Late}
    shell = Shell({"backend_pools": pools}, upstreams=upstreams)
    shell.engine.go_to(0)
    shell.engine.open(get("/here"), "here")
    shell.engine.open(get("/there"), "there")
    shell.engine.abort_pools("envelope")
    assert shell.heard[2:] == [("there", 503, 0)]
    shell.engine.abort()
    assert shell.heard[3:] == [("here", 503, 0)] and shell.engine.idle


def test_on_the_wall_clock_simulated_time_passes_instant_by_instant() -> None:
    shell = Shell(one_pool(simulate={"latency": 1}))
    shell.engine.now(100.0)
    shell.engine.go_to(None)
    shell.engine.open(get(), "one")
    assert shell.engine.next_deadline() == 101.0
    shell.engine.advance(107.0)
    assert shell.heard[1:] == [("one", 200, 1.0)]
    assert shell.engine.now(107.0) == 7.0


def test_real_backends_are_late_when_somebody_looks_and_know_no_other_time() -> None:
    shell = Shell(one_pool(upstream="http"), upstreams={"http": Late}, real_time=True)
    shell.engine.go_to(None)
    shell.engine.open(get(), "one")
    assert shell.engine.load == 1
    with pytest.raises(BadMember, match="/at: real backends take the time they take"):
        shell.engine.go_to(1)
    shell.engine.advance(100.0)
    assert shell.heard[1:] == [("one", 504, 100.0)]
    assert shell.engine.load == 0


def test_something_due_sooner_than_all_before_is_told() -> None:
    shell = Shell(one_pool())
    shell.engine.on_sooner(lambda: shell.heard.append("sooner"))
    shell.engine.go_to(0)
    slow = HttpRequest(
        "GET", "/p", Headers(()), client_ip="c",
        simulate=config_from(one_pool(simulate={"latency": 1})).backend_pools["p"].simulate,
    )  # fmt: skip
    shell.engine.open(slow, "one")
    assert "sooner" in shell.heard


class Counted(Upstream):
    """A simulated upstream that counts the health checks, and says when they were."""

    checks: ClassVar[list[float]] = []

    def __init__(self, pool: Pool, streams: RandomStreams) -> None:
        self._simulated = Simulated(pool, streams)

    def start(self, exchange: Exchange, now: float) -> None:
        self._simulated.start(exchange, now)

    def probe(self, probe: Probe, now: float) -> None:
        self.checks.append(now)
        self._simulated.probe(probe, now)


YEAR = 365 * 86400.0
DOWN_AT_LAST = {"faults": [{"fault": "refuse", "from": 2 * YEAR - 4000}]}


@pytest.mark.parametrize(("until", "health"), [
    (2 * YEAR, {}),
    (2 * YEAR, {"interval": 0.001}),
    (2 * YEAR, {"interval": 1, "jitter": 1}),
    (2 * YEAR, {"interval": 1000, "rise": 1, "fall": 1}),
    (1e14, {}),
    (1e14, {"interval": 0.001, "timeout": 0.001}),
    (9e14, {"interval": 0.5, "jitter": 0}),
])  # fmt: skip
@pytest.mark.parametrize("count", [1, 3, 300])
def test_a_long_time_without_a_message_costs_no_more_checks_than_its_start_and_its_end(
    until: float, health: dict[str, Any], count: int
) -> None:
    Counted.checks.clear()
    backends = [f"b{number}:1" for number in range(count)]
    pool = one_pool(backends=backends, health=health, simulate=DOWN_AT_LAST)
    shell = Shell(pool, upstreams={"simulated": Counted}, virtual_time=True)
    shell.engine.go_to(0)
    shell.engine.go_to(until)
    rounds = max(FEWEST_ROUNDS, MOST_CHECKS // count)
    # With a jitter of all of the interval there may be two of them in the time of one.
    assert len(Counted.checks) <= count * (3 * rounds + 3)
    assert Counted.checks == sorted(Counted.checks) and Counted.checks[-1] <= until
    shell.engine.open(get(), "one")
    assert shell.heard[-1][:2] == ("one", 503)


def test_of_a_time_that_is_not_long_every_check_is_made() -> None:
    Counted.checks.clear()
    health = {"interval": 1, "jitter": 0}
    shell = Shell(one_pool(health=health), upstreams={"simulated": Counted}, virtual_time=True)
    shell.engine.go_to(0)
    shell.engine.go_to(2 * MOST_CHECKS)
    assert Counted.checks == list(range(2 * MOST_CHECKS + 1))
    shell.engine.go_to(5 * MOST_CHECKS + 0.5)
    last = Counted.checks[2 * MOST_CHECKS + 1 :]
    assert last[:MOST_CHECKS] == list(range(2 * MOST_CHECKS + 1, 3 * MOST_CHECKS + 1))
    assert last[MOST_CHECKS:] == list(range(4 * MOST_CHECKS + 1, 5 * MOST_CHECKS + 1))


def test_checks_on_the_wall_clock_are_caught_up_with_in_bounds() -> None:
    Counted.checks.clear()
    shell = Shell(one_pool(health={"interval": 0.001}), upstreams={"simulated": Counted})
    shell.engine.go_to(None)
    for hour in range(1, 4):
        shell.engine.advance(hour * 3600.0)
    assert len(Counted.checks) <= 3 * 3 * MOST_CHECKS
    assert Counted.checks[-1] == pytest.approx(3 * 3600, abs=0.01)


def test_at_the_end_what_has_a_deadline_ends_though_checks_would_go_on_for_years() -> None:
    Counted.checks.clear()
    hanging = {"faults": [{"fault": "hang", "to": 1}]}
    pool = one_pool(health={}, timeouts={"attempt": 9 * YEAR}, retries={"attempts": 1})
    pool["backend_pools"]["p"]["simulate"] = hanging
    shell = Shell(pool, upstreams={"simulated": Counted}, virtual_time=True)
    shell.engine.go_to(0.5)
    shell.engine.open(get(), "one")
    shell.engine.drain()
    assert shell.heard[-1] == ("one", 504, 0.5 + 9 * YEAR)
    assert len(Counted.checks) <= 2 * MOST_IN_VAIN


def test_at_the_end_only_what_has_a_deadline_is_waited_for() -> None:
    pool = one_pool(timeouts={"attempt": None}, simulate={"latency": 5})
    pool["backend_pools"]["q"] = {"backends": ["b:1"], "upstream": "envelope"}
    upstreams = {**SIMULATED, "envelope": Late}
    shell = Shell(pool, upstreams=upstreams, virtual_time=True)
    shell.engine.go_to(0)
    for path in ("/p", "/q", "/p", "/q"):
        shell.engine.open(get(path), path)
    shell.engine.drain()
    assert [(owner, status) for owner, status, _ in shell.heard[4:]] == [
        ("/p", 200), ("/p", 200), ("/q", 504), ("/q", 504),
    ]  # fmt: skip


def test_beyond_the_most_in_flight_requests_are_answered_503_until_one_has_ended() -> None:
    shell = Shell(one_pool(simulate={"latency": 1}), virtual_time=True, most_in_flight=2)
    for second, owner in enumerate(("one", "two", "three", "four", "five")):
        shell.engine.go_to(second * 0.4)
        shell.engine.open(get(), owner)
    assert shell.heard == [
        ("one", "pending"), ("two", "pending"), ("three", 503, 0.8),
        ("one", 200, 1.0), ("four", "pending"), ("two", 200, 1.4), ("five", "pending"),
    ]  # fmt: skip
    local_reply = shell.exchanges[0].local_reply
    assert local_reply is not None and local_reply.text == "too many requests are in flight"
    assert shell.engine.in_flight == 2


def test_a_new_configuration_makes_no_more_room_and_the_end_still_none() -> None:
    shell = Shell(one_pool(simulate={"latency": 1}), virtual_time=True, most_in_flight=1)
    shell.engine.go_to(0)
    shell.engine.open(get(), "one")
    shell.engine.configure(config_from(one_pool()))
    shell.engine.open(get(), "two")
    shell.engine.go_to(1)
    shell.engine.open(get(), "three")
    assert shell.heard[1:] == [("two", 503, 0), ("one", 200, 1), ("three", 200, 1)]
    shell.engine.drain()
    shell.engine.open(get(), "four")
    assert shell.heard[-1] == ("four", 503, 1)
