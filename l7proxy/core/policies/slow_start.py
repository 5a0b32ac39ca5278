"""Slow start: a backend that comes back gets its share in steps, so that it can warm up."""

from __future__ import annotations

from l7proxy.core.policies.base import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.policies.base import BackendMap
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.timers import Timer

STEPS = 8
"""The weight grows by eighths: exact in binary, so that rotations stay exact."""


class SlowStart(Policy):
    """Brings a backend's weight from an eighth of its own to all of it within `seconds`."""

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._climbing: dict[Backend, tuple[int, Timer]] = {}
        """The step that each backend is on, and the timer of the next."""

    def begin(self, backend: Backend, now: float) -> None:
        """Starts a backend that is back at `now` with an eighth of its weight."""
        self.removed(backend)
        self._climb(backend, 1, now)

    def removed(self, backend: Backend) -> None:
        climbing = self._climbing.pop(backend, None)
        if climbing is not None:
            self._pool.timers.cancel(climbing[1])

    def handover_from(self, before: SlowStart, successors: BackendMap) -> None:
        if before._seconds != self._seconds:
            return
        for old, new in successors.items():
            climbing = before._climbing.pop(old, None)
            if climbing is not None:
                step, timer = climbing
                before._pool.timers.cancel(timer)
                self._stay(new, step, timer.when)

    def reweigh(self, backend: Backend) -> None:
        """Puts the present share of a backend's own weight in force, after that was changed."""
        step, _ = self._climbing.get(backend, (STEPS, None))
        self._weigh(backend, step)

    def _climb(self, backend: Backend, step: int, now: float) -> None:
        if step == STEPS:
            self._climbing.pop(backend, None)
            self._weigh(backend, step)
        else:
            self._stay(backend, step, now + self._seconds / STEPS)

    def _stay(self, backend: Backend, step: int, until: float) -> None:
        self._weigh(backend, step)
        timer = self._pool.timers.schedule(until, lambda due: self._climb(backend, step + 1, due))
        self._climbing[backend] = (step, timer)

    def _weigh(self, backend: Backend, step: int) -> None:
        weight = backend.full_weight
        self._pool.weigh(backend, weight if step == STEPS else weight * step / STEPS)
