"""The engine without a node: requests and time in, callbacks out."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import Headers, HttpRequest
from l7proxy.core.config import ConfigError, config_from
from l7proxy.core.exchange import Exchange
from l7proxy.core.proxy import Proxy
from l7proxy.core.trace import Traced
from l7proxy.envelope.errors import BadMember
from l7proxy.node.engine import SIMULATED, Engine
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
