"""Passive ejection: backends that fail real requests are left out for a while.

After Envoy's outlier detection: each ejection lasts longer than the one before, and only a share
of the pool may be out at a time.
"""

from __future__ import annotations

from functools import partial
from math import inf

from l7proxy.core.flags import EJECTED
from l7proxy.core.policies.base import AttemptObserver, PerBackend
from l7proxy.core.policies.failure_rate import FailureRate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from l7proxy.core.config.policies import EjectionConfig, FailureRateConfig
    from l7proxy.core.policies.base import BackendMap
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.timers import Timer


class _Record:
    """One backend's failures and ejections."""

    __slots__ = ("ejections", "in_a_row", "out", "rate", "returned_at")

    def __init__(self, rate: FailureRateConfig | None) -> None:
        self.in_a_row = 0
        self.rate = None if rate is None else FailureRate(rate)
        self.ejections = 0
        self.returned_at = -inf
        self.out: Timer | None = None
        """The timer that ends its ejection, while it is out."""


class Ejection(AttemptObserver):
    """Ejects a pool's backends for failures in a row, or for too high a share of failures.

    An attempt that began before the backend's last ejection was over is no reason for the next.
    """

    def __init__(self, pool: Pool, config: EjectionConfig) -> None:
        self._pool = pool
        self._config = config
        self._records = PerBackend(partial(_Record, config.failure_rate))
        self._out = 0

    def succeeded(self, backend: Backend, began_at: float, now: float) -> None:
        record = self._records[backend]
        if record.out is not None or began_at < record.returned_at:
            return
        # A backend that did well for as long as it was last out has its ejections forgotten.
        if record.ejections and now - record.returned_at >= self._duration(record.ejections):
            record.ejections = 0
        if record.rate is not None:
            record.rate.add(now, failed=False)

    def completed(self, backend: Backend, began_at: float, now: float) -> None:
        record = self._records[backend]
        if began_at >= record.returned_at:
            record.in_a_row = 0

    def failed(self, backend: Backend, began_at: float, now: float) -> None:
        record = self._records[backend]
        if record.out is None and began_at >= record.returned_at:
            too_often = record.rate is not None and record.rate.add(now, failed=True)
            self._judge(backend, record, now, too_often=too_often)

    def broke_off(self, backend: Backend, began_at: float, now: float) -> None:
        record = self._records[backend]
        if record.out is None and began_at >= record.returned_at:
            too_often = record.rate is not None and record.rate.add_late_failure(now)
            self._judge(backend, record, now, too_often=too_often)

    def _judge(self, backend: Backend, record: _Record, now: float, *, too_often: bool) -> None:
        """Ejects the backend if one more failure is reason enough."""
        record.in_a_row += 1
        limit = self._config.consecutive_failures
        if (too_often or (limit is not None and record.in_a_row >= limit)) and self._may_eject():
            self._eject(backend, record, now)

    def removed(self, backend: Backend) -> None:
        record = self._records.pop(backend, None)
        if record is not None and record.out is not None:
            self._pool.timers.cancel(record.out)
            self._out -= 1

    def handover_from(self, before: Ejection, successors: BackendMap) -> None:
        if before._config != self._config:
            return
        for _, new, record in self._records.adopt(before._records, successors):
            if record.out is not None:
                before._pool.timers.cancel(record.out)
                self._stay_out(new, record, record.out.when)
                new.flags |= EJECTED

    def snapshot(self, backend: Backend) -> Mapping[str, Any]:
        return {"ejections": self._records[backend].ejections}

    def _may_eject(self) -> bool:
        return self._out + 1 <= self._config.max_share * len(self._pool.backends)

    def _eject(self, backend: Backend, record: _Record, now: float) -> None:
        record.ejections += 1
        duration = self._duration(record.ejections)
        self._pool.log(now, f"{backend.name} is ejected for {duration:g} s")
        self._pool.set_flag(backend, EJECTED, now)
        self._stay_out(backend, record, now + duration)

    def _stay_out(self, backend: Backend, record: _Record, until: float) -> None:
        self._out += 1
        record.out = self._pool.timers.schedule(
            until, lambda due: self._readmit(backend, record, due)
        )

    def _readmit(self, backend: Backend, record: _Record, now: float) -> None:
        self._out -= 1
        record.out = None
        record.in_a_row = 0
        record.returned_at = now
        if record.rate is not None:
            record.rate.clear()
        self._pool.log(now, f"{backend.name} is no longer ejected")
        self._pool.clear_flag(backend, EJECTED, now)

    def _duration(self, ejections: int) -> float:
        return min(self._config.time * ejections, self._config.max_time)
