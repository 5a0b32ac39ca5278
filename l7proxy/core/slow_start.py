"""Slow start: a backend that comes back gets its share in steps, so that it can warm up."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.backend import Backend
    from l7proxy.core.pool import Pool
    from l7proxy.core.timers import Timer

STEPS = 8
"""The weight grows by eighths: exact in binary, so that rotations stay exact."""


class SlowStart:
    """Brings a backend's weight from an eighth of its own to all of it within `seconds`."""

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._climbing: dict[Backend, tuple[int, Timer]] = {}
        """The step that each is on, and the timer of the next."""

    def begin(self, backend: Backend, now: float) -> None:
        """The backend is back, as of now."""
        self.stop(backend)
        self._climb(backend, 1, now)

    def stop(self, backend: Backend) -> None:
        """The backend is gone: no further steps."""
        climbing = self._climbing.pop(backend, None)
        if climbing is not None:
            self._pool.timers.cancel(climbing[1])

    def reweigh(self, backend: Backend) -> None:
        """The backend's own weight is another now: it goes on with its present share of that."""
        step, _ = self._climbing.get(backend, (STEPS, None))
        share = 1 if step == STEPS else step / STEPS
        self._pool.weigh(backend, backend.full_weight * share)

    def _climb(self, backend: Backend, step: int, now: float) -> None:
        if step == STEPS:
            self._climbing.pop(backend, None)
            self._pool.weigh(backend, backend.full_weight)
        else:
            self._pool.weigh(backend, backend.full_weight * step / STEPS)
            timer = self._pool.timers.schedule(
                now + self._seconds / STEPS, lambda due: self._climb(backend, step + 1, due)
            )
            self._climbing[backend] = (step, timer)
