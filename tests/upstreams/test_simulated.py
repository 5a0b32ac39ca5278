"""Simulated backends: how long they take, how many they serve, what goes wrong when."""

from __future__ import annotations

from collections import Counter
from random import Random
from statistics import mean, median
from typing import Any

import pytest

from l7proxy.core import ConfigError, Exchange, HttpRequest, Proxy, config_from
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.simulated import Simulated


class Shop:
    """One pool of simulated backends; `ended` has when each exchange ended."""

    def __init__(self, seed: int = 0, **pool: Any) -> None:
        config = config_from({"backend_pools": {"p": {"backends": ["a:1"], **pool}}})
        self.proxy = Proxy(config, Random(seed))
        upstream = Simulated(self.proxy.pools["p"], self.proxy.streams)
        self.dispatcher = Dispatcher(self.proxy, {"p": upstream}, self._ended, self._crashed)
        self.ended: dict[Exchange, float] = {}

    def _ended(self, exchange: Exchange, now: float) -> None:
        self.ended[exchange] = now

    @staticmethod
    def _crashed(exchange: Exchange, error: Exception, now: float) -> None:
        raise error

    def ask(self, now: float, path: str = "/p") -> Exchange:
        return self.dispatcher.open(HttpRequest("GET", path), None, now)

    def times(self, count: int, now: float = 0.0) -> list[float]:
        """How long the answers to so many requests at once take."""
        asked = [self.ask(now) for _ in range(count)]
        self.dispatcher.run_until(now + 1000)
        return [self.ended[exchange] - now for exchange in asked]


def test_latencies_follow_their_distributions() -> None:
    drawn = {
        kind: Shop(simulate={"latency": {kind: setting}}, timeouts={"attempt": None}).times(4000)
        for kind, setting in (
            ("fixed", 2),
            ("uniform", [1, 3]),
            ("exponential", 2),
            ("lognormal", {"median": 2, "sigma": 0.5}),
        )
    }
    assert set(drawn["fixed"]) == {2}
    assert min(drawn["uniform"]) >= 1 and max(drawn["uniform"]) <= 3
    assert mean(drawn["uniform"]) == pytest.approx(2, rel=0.05)
    assert mean(drawn["exponential"]) == pytest.approx(2, rel=0.05)
    assert median(drawn["lognormal"]) == pytest.approx(2, rel=0.05)


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    latency = {"uniform": [0, 1]}
    first, again, other = (
        Shop(seed, simulate={"latency": latency}).times(20) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_what_is_picked_does_not_change_what_is_drawn() -> None:
    settings: dict[str, Any] = {
        "backends": ["a:1", "b:1", "c:1"],
        "simulate": {"latency": {"uniform": [0, 1]}},
    }
    algorithms = ("round-robin", "least-connections", "random")
    drawn = [Shop(algorithm=algorithm, **settings).times(20) for algorithm in algorithms]
    assert drawn[0] == drawn[1] == drawn[2]


def test_what_goes_wrong_by_chance_does_not_change_what_is_drawn() -> None:
    fault = {"fault": "status", "probability": 0.5}
    latency = {"uniform": [0, 1]}
    well = Shop(simulate={"latency": latency})
    ill = Shop(simulate={"latency": latency, "faults": [fault]})
    assert well.times(50) == ill.times(50)
    statuses = Counter(e.response and e.response.status for e in ill.ended)
    assert set(statuses) == {200, 503} and min(statuses.values()) > 10


def test_so_many_are_served_at_once_and_the_rest_wait_their_turn() -> None:
    shop = Shop(simulate={"latency": 1, "concurrency": 2})
    assert shop.times(5) == [1, 1, 2, 2, 3]


def test_who_was_given_up_while_waiting_is_passed_over_and_in_service_is_not() -> None:
    shop = Shop(simulate={"latency": 4, "concurrency": 1}, timeouts={"attempt": 6})
    served, waits, given_up, last = (shop.ask(0.0) for _ in range(4))
    shop.dispatcher.cancel(served, 1.0)
    shop.dispatcher.cancel(given_up, 1.0)
    shop.dispatcher.run_until(4.0)
    assert not shop.ended
    shop.dispatcher.run_until(100.0)
    assert (shop.ended[waits], shop.ended[last]) == (6.0, 6.0)


def test_a_request_at_once_leaves_room_for_the_next() -> None:
    shop = Shop(simulate={"latency": 0, "concurrency": 1})
    assert shop.times(3) == [0, 0, 0]


@pytest.mark.parametrize(("fault", "status", "at"), [
    ("refuse", 502, 0.0), ("reset", 502, 1.0), ("status", 503, 1.0), ("hang", 504, 9.0),
])  # fmt: skip
def test_what_goes_wrong_and_how_long_that_takes(fault: str, status: int, at: float) -> None:
    faults = [{"fault": fault}]
    shop = Shop(simulate={"latency": 1, "faults": faults}, timeouts={"attempt": 9})
    exchange = shop.ask(0.0)
    shop.dispatcher.run_until(100.0)
    assert exchange.response is not None
    assert (exchange.response.status, shop.ended[exchange]) == (status, at)


def test_a_window_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    shop = Shop(simulate={"faults": [{"fault": "refuse", "from": 1, "to": 2}]})
    answers = [shop.ask(now).response for now in (0.9, 1.0, 1.9, 2.0)]
    assert [answer and answer.status for answer in answers] == [200, 502, 502, 200]


def test_checks_are_answered_as_requests_are() -> None:
    checks = {"interval": 1, "timeout": 0.5, "jitter": 0, "fall": 1, "rise": 1, "path": "/health"}
    faults = [{"fault": "reset", "from": 1, "to": 2}, {"fault": "hang", "from": 3, "to": 4}]
    shop = Shop(health=checks, simulate={"faults": faults})
    shop.proxy.start(0.0)
    seen = []
    for now in (0.0, 1.0, 2.0, 3.5, 4.0):
        shop.dispatcher.run_until(now)
        seen.append(",".join(shop.proxy.pools["p"].backends[0].why_not()))
    assert seen == ["", "down", "", "down", ""]


@pytest.mark.parametrize(("simulate", "problem"), [
    ({"latency": {}}, "/latency: give exactly one of fixed, uniform, exponential, lognormal"),
    ({"latency": {"fixed": 1, "exponential": 1}},
     "/latency: give exactly one of fixed, uniform, exponential, lognormal"),
    ({"latency": {"uniform": [2, 1]}}, "/latency/uniform: must be the shortest and the longest"),
    ({"latency": {"uniform": [1, 2, 3]}},
     "/latency/uniform: must be the shortest and the longest"),
    ({"faults": [{"fault": "hang", "from": 2, "to": 2}]}, "/faults/0/to: must be after from"),
])  # fmt: skip
def test_a_behaviour_that_makes_no_sense_is_refused(simulate: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Shop(simulate=simulate)
    assert str(caught.value) == f"/backend_pools/p/simulate{problem}"
