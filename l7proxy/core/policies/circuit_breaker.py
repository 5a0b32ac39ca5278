"""Circuit breakers: a backend that keeps failing is left alone, then asked again with care.

    CLOSED ──too many failures──> OPEN ──open_time──> HALF_OPEN ──successes──> CLOSED
                                   ^                      │
                                   └────── a failure ─────┘

M. Nygard, "Release It!", chapter on stability patterns.
"""

from __future__ import annotations

from functools import partial
from math import inf

from l7proxy.core.flags import BROKEN
from l7proxy.core.policies.base import AttemptObserver, PerBackend
from l7proxy.core.policies.failure_rate import FailureRate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from l7proxy.core.config.policies import BreakerConfig, FailureRateConfig
    from l7proxy.core.policies.base import BackendMap
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.timers import Timer

CLOSED = "closed"
OPEN = "open"
HALF_OPEN = "half-open"


class _Circuit:
    """One backend's breaker."""

    __slots__ = ("in_a_row", "probes", "rate", "reopening", "since", "state", "successes")

    def __init__(self, rate: FailureRateConfig | None) -> None:
        self.state = CLOSED
        self.since = -inf
        """The time at which the state last changed."""
        self.in_a_row = 0
        self.rate = None if rate is None else FailureRate(rate)
        self.probes = 0
        """Requests in flight as probes, while it is half-open."""
        self.successes = 0
        """Probes that succeeded, while it is half-open."""
        self.reopening: Timer | None = None
        """The timer that makes it half-open, while it is open."""


class Breaker(AttemptObserver):
    """The circuit breakers of a pool.

    An attempt that began before a circuit last changed says nothing about its present state: a
    request that hung since before the circuit opened is no probe when it ends while the circuit is
    half-open.
    """

    def __init__(self, pool: Pool, config: BreakerConfig) -> None:
        self._pool = pool
        self._config = config
        self._circuits = PerBackend(partial(_Circuit, config.failure_rate))

    def state(self, backend: Backend) -> str:
        """Returns the state of the backend's circuit: `closed`, `open` or `half-open`."""
        circuit = self._circuits.get(backend)
        return CLOSED if circuit is None else circuit.state

    def began(self, backend: Backend, now: float) -> None:
        circuit = self._circuits[backend]
        if circuit.state is HALF_OPEN:
            circuit.probes += 1
            if circuit.probes == self._config.probes:
                self._pool.set_flag(backend, BROKEN, now)

    def succeeded(self, backend: Backend, began_at: float, now: float) -> None:
        circuit = self._circuits[backend]
        if began_at < circuit.since:
            return
        if circuit.state is CLOSED:
            if circuit.rate is not None:
                circuit.rate.add(now, failed=False)
        elif circuit.state is HALF_OPEN:
            circuit.successes += 1
            if circuit.successes >= self._config.successes:
                self._close(backend, circuit, now)
            else:
                self._probe_ended(backend, circuit, now)

    def completed(self, backend: Backend, began_at: float, now: float) -> None:
        circuit = self._circuits[backend]
        if began_at >= circuit.since:
            circuit.in_a_row = 0

    def failed(self, backend: Backend, began_at: float, now: float) -> None:
        circuit = self._circuits[backend]
        if began_at >= circuit.since:
            too_often = circuit.rate is not None and circuit.rate.add(now, failed=True)
            self._judge(backend, circuit, now, too_often=too_often)

    def broke_off(self, backend: Backend, began_at: float, now: float) -> None:
        circuit = self._circuits[backend]
        if began_at >= circuit.since:
            too_often = circuit.rate is not None and circuit.rate.add_late_failure(now)
            self._judge(backend, circuit, now, too_often=too_often)

    def _judge(self, backend: Backend, circuit: _Circuit, now: float, *, too_often: bool) -> None:
        """Opens the circuit if one more failure is reason enough."""
        if circuit.state is CLOSED:
            circuit.in_a_row += 1
            limit = self._config.failures
            if too_often or (limit is not None and circuit.in_a_row >= limit):
                self._open(backend, circuit, now)
        elif circuit.state is HALF_OPEN:
            self._open(backend, circuit, now)

    def dropped(self, backend: Backend, began_at: float, now: float) -> None:
        circuit = self._circuits[backend]
        if circuit.state is HALF_OPEN and began_at >= circuit.since:
            self._probe_ended(backend, circuit, now)

    def removed(self, backend: Backend) -> None:
        circuit = self._circuits.pop(backend, None)
        if circuit is not None and circuit.reopening is not None:
            self._pool.timers.cancel(circuit.reopening)

    def handover_from(self, before: Breaker, successors: BackendMap) -> None:
        if before._config != self._config:
            return
        for old, new, circuit in self._circuits.adopt(before._circuits, successors):
            new.flags |= old.flags & BROKEN
            if circuit.reopening is not None:
                before._pool.timers.cancel(circuit.reopening)
                self._stay_open(new, circuit, circuit.reopening.when)

    def snapshot(self, backend: Backend) -> Mapping[str, Any]:
        return {"circuit_state": self.state(backend)}

    def _open(self, backend: Backend, circuit: _Circuit, now: float) -> None:
        self._change_state(backend, circuit, OPEN, now)
        self._stay_open(backend, circuit, now + self._config.open_time)
        self._pool.set_flag(backend, BROKEN, now)

    def _stay_open(self, backend: Backend, circuit: _Circuit, until: float) -> None:
        circuit.reopening = self._pool.timers.schedule(
            until, lambda due: self._half_open(backend, circuit, due)
        )

    def _half_open(self, backend: Backend, circuit: _Circuit, now: float) -> None:
        circuit.reopening = None
        self._change_state(backend, circuit, HALF_OPEN, now)
        self._pool.clear_flag(backend, BROKEN, now)

    def _close(self, backend: Backend, circuit: _Circuit, now: float) -> None:
        self._change_state(backend, circuit, CLOSED, now)
        # It would get its whole share at once, so with a slow start it starts slowly here, too.
        self._pool.warm_up(backend, now)
        self._pool.clear_flag(backend, BROKEN, now)

    def _probe_ended(self, backend: Backend, circuit: _Circuit, now: float) -> None:
        circuit.probes -= 1
        # In panic there may be more probes than there should be.
        if circuit.probes < self._config.probes:
            self._pool.clear_flag(backend, BROKEN, now)

    def _change_state(self, backend: Backend, circuit: _Circuit, state: str, now: float) -> None:
        circuit.state = state
        circuit.since = now
        circuit.in_a_row = circuit.probes = circuit.successes = 0
        if circuit.rate is not None:
            circuit.rate.clear()
        self._pool.log(now, f"{backend.name}: the circuit is {state}")
        self._pool.flags_changed(backend, now)
