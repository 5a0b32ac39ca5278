"""Passive ejection: backends that fail real requests are left out for a while.

After Envoy's outlier detection: each ejection lasts longer than the one before, and only a share
of the pool may be out at a time.
"""

from __future__ import annotations

from l7proxy.core.backend import EJECTED
from l7proxy.core.failure_rate import FailureRate
from l7proxy.core.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from l7proxy.core.backend import Backend
    from l7proxy.core.config.policies import EjectionConfig
    from l7proxy.core.pool import Pool


class _Record:
    """What one backend has been up to."""

    __slots__ = ("ejections", "in_a_row", "rate", "returned_at")

    def __init__(self, rate: FailureRate | None) -> None:
        self.in_a_row = 0
        self.rate = rate
        self.ejections = 0
        self.returned_at = 0.0


class Ejection(Watcher):
    """Ejects a pool's backends for failures in a row, or for too high a share of failures."""

    def __init__(self, pool: Pool, config: EjectionConfig) -> None:
        self._pool = pool
        self._config = config
        self._records: dict[Backend, _Record] = {}
        self._out = 0

    def succeeded(self, backend: Backend, seconds: float, now: float) -> None:
        record = self._record(backend)
        record.in_a_row = 0
        # Who did well for as long as it was last away starts with a clean sheet.
        if record.ejections and now - record.returned_at >= self._duration(record.ejections):
            record.ejections = 0
        if record.rate is not None:
            record.rate.add(now, failed=False)

    def failed(self, backend: Backend, seconds: float, now: float) -> None:
        record = self._record(backend)
        record.in_a_row += 1
        too_often = record.rate is not None and record.rate.add(now, failed=True)
        limit = self._config.consecutive_failures
        if (too_often or (limit is not None and record.in_a_row >= limit)) and self._may_eject():
            self._eject(backend, record, now)

    def removed(self, backend: Backend) -> None:
        self._records.pop(backend, None)

    def snapshot(self, backend: Backend) -> Mapping[str, Any]:
        return {"ejections": self._record(backend).ejections}

    def _may_eject(self) -> bool:
        return self._out + 1 <= self._config.max_share * len(self._pool.backends)

    def _eject(self, backend: Backend, record: _Record, now: float) -> None:
        if backend.bars & EJECTED:
            return
        record.ejections += 1
        self._out += 1
        duration = self._duration(record.ejections)
        self._pool.log(now, f"{backend.name} is ejected for {duration:g} s")
        self._pool.raise_bar(backend, EJECTED, now)
        self._pool.timers.schedule(now + duration, lambda due: self._take_back(backend, due))

    def _take_back(self, backend: Backend, now: float) -> None:
        self._out -= 1
        record = self._record(backend)
        record.in_a_row = 0
        record.returned_at = now
        if record.rate is not None:
            record.rate.clear()
        self._pool.log(now, f"{backend.name} is no longer ejected")
        self._pool.lower_bar(backend, EJECTED, now)

    def _duration(self, ejections: int) -> float:
        return min(self._config.time * ejections, self._config.max_time)

    def _record(self, backend: Backend) -> _Record:
        record = self._records.get(backend)
        if record is None:
            rate = self._config.failure_rate
            record = self._records[backend] = _Record(None if rate is None else FailureRate(rate))
        return record
