"""Active health checks: which backend is asked when, and whether the answers mean up or down."""

from __future__ import annotations

from math import ceil, inf, nextafter, ulp

from l7proxy.core.callbacks import ignore
from l7proxy.core.flags import DOWN, REMOVED
from l7proxy.core.policies.base import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from random import Random

    from l7proxy.core.config.policies import HealthConfig
    from l7proxy.core.policies.base import BackendMap
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.timers import Timer


MOST_CHECKS = 1000
"""Checks of one pool that are made at either end of a long time without a message."""
FEWEST_ROUNDS = 10
"""But so many of each of its backends."""


class HealthCount:
    """Counts good and bad checks in a row: enough of them flip `up`."""

    __slots__ = ("_against", "_fall", "_rise", "up")

    def __init__(self, config: HealthConfig) -> None:
        self._rise = config.rise
        self._fall = config.fall
        self.up = config.initially_up
        self._against = 0
        """The number of checks in a row that contradict `up`."""

    def add(self, *, good: bool) -> bool:
        """Counts a check; returns whether `up` flipped."""
        if good is self.up:
            self._against = 0
            return False
        self._against += 1
        if self._against < (self._rise if good else self._fall):
            return False
        self.up = good
        self._against = 0
        return True


class Probe:
    """One check of one backend, for an upstream to carry out.

    The upstream calls `answered(status, now)` or `failed(now)`; the first call counts, and a check
    that is not over by `due` counts as failed. `done(status or None, now)` is called once.
    `on_abandon`, if the upstream sets it, is called when the outcome is no longer wanted.
    """

    __slots__ = ("_done", "_timer", "backend", "on_abandon", "path", "pool")

    def __init__(
        self,
        pool: Pool,
        backend: Backend,
        path: str,
        due: float,
        done: Callable[[int | None, float], None],
    ) -> None:
        self.pool = pool
        self.backend = backend
        self.path = path
        self.on_abandon: Callable[[], None] = ignore
        self._done: Callable[[int | None, float], None] | None = done
        self._timer = pool.timers.schedule(due, self._overdue)

    @property
    def due(self) -> float:
        """The time at which it counts as failed (seconds)."""
        return self._timer.when

    @property
    def over(self) -> bool:
        """True once the outcome is known, or no longer wanted."""
        return self._done is None

    def answered(self, status: int, now: float) -> None:
        """Ends the check with the status of the backend's answer."""
        self._finish(status, now)

    def failed(self, now: float) -> None:
        """Ends the check without an answer."""
        self._finish(None, now)

    def cancel(self) -> None:
        """Gives the check up: its outcome is no longer wanted."""
        self._done = None
        self.pool.timers.cancel(self._timer)
        self.on_abandon()

    def _overdue(self, now: float) -> None:
        self.on_abandon()
        self._finish(None, now)

    def _finish(self, status: int | None, now: float) -> None:
        done, self._done = self._done, None
        if done is not None:
            self.pool.timers.cancel(self._timer)
            done(status, now)


class HealthChecks(Policy):
    """The checks of one pool; those that are to be carried out now are put into `probes`."""

    def __init__(
        self, pool: Pool, config: HealthConfig, random: Random, probes: deque[Probe]
    ) -> None:
        self._pool = pool
        self._config = config
        self._random = random
        self._probes = probes
        self._counts: dict[Backend, HealthCount] = {}
        self._next: dict[Backend, Timer] = {}
        self._running: dict[Backend, Probe] = {}
        self._skip_from, self._skip_to = inf, -inf

    def skip_between(self, now: float, until: float) -> None:
        """Leaves out the checks in the middle of a time in which no message comes.

        Of a year without one a hundred million checks would say no more than the first, when
        requests are perhaps still in flight, and the last, by which every backend is up or down.
        """
        rounds = max(FEWEST_ROUNDS, MOST_CHECKS // max(1, len(self._counts)))
        interval = self._config.interval
        self._skip_from = now + rounds * interval
        self._skip_to = until - rounds * max(interval, ulp(until))

    def watch(self, backend: Backend, now: float) -> None:
        """Starts to check a backend, at once; does nothing if it is being checked already."""
        if backend not in self._counts:
            self._counts[backend] = HealthCount(self._config)
        if not self._counts[backend].up:
            self._pool.set_flag(backend, DOWN, now)
        if backend not in self._next:
            self._schedule(backend, now)

    def handover_from(self, before: HealthChecks, successors: BackendMap) -> None:
        """Leaves each backend up or down until checks find otherwise, whatever the settings."""
        for old, new in successors.items():
            count = before._counts.get(old)
            if count is None:
                continue
            if before._config == self._config:
                self._counts[new] = count
                if old in before._next:
                    self._schedule(new, before._next[old].when)
            else:
                self.assume(new, up=count.up)
            new.flags |= old.flags & DOWN

    def removed(self, backend: Backend) -> None:
        self._counts.pop(backend, None)
        timer = self._next.pop(backend, None)
        if timer is not None:
            self._pool.timers.cancel(timer)
        probe = self._running.pop(backend, None)
        if probe is not None:
            probe.cancel()

    def assume(self, backend: Backend, *, up: bool) -> None:
        """Sets a backend up or down on a person's word; the next checks may find otherwise."""
        count = self._counts[backend] = HealthCount(self._config)
        count.up = up

    def stop(self) -> None:
        """Stops all checks."""
        for backend in list(self._counts):
            self.removed(backend)

    def _schedule(self, backend: Backend, when: float) -> None:
        self._next[backend] = self._pool.timers.schedule(
            when, lambda due: self._check(backend, due)
        )

    def _check(self, backend: Backend, now: float) -> None:
        before = self._running.get(backend)
        if before is not None and not before.over:
            # A check that is slower than the interval must not overlap the next one.
            self._schedule(backend, before.due)
            return
        probe = Probe(
            self._pool,
            backend,
            self._config.path,
            now + self._config.timeout,
            lambda status, at: self._judge(backend, status, at),
        )
        self._running[backend] = probe
        self._probes.append(probe)
        spread = self._config.jitter * (2 * self._random.random() - 1)
        interval = self._config.interval
        # Of far-off times the clock has no fractions of a second: a check must not follow at once.
        following = max(now + interval * (1 + spread), nextafter(now, inf))
        if self._skip_from <= following < self._skip_to:
            following += ceil((self._skip_to - following) / interval) * interval
        self._schedule(backend, following)

    def _judge(self, backend: Backend, status: int | None, now: float) -> None:
        self._running.pop(backend, None)
        if backend.flags & REMOVED:
            return
        count = self._counts[backend]
        if count.add(good=status in self._config.expect):
            if count.up:
                self._pool.log(now, f"{backend.name} is up")
                self._pool.clear_flag(backend, DOWN, now)
            else:
                reason = "no answer" if status is None else f"status {status}"
                self._pool.log(now, f"{backend.name} is down: {reason}")
                self._pool.set_flag(backend, DOWN, now)
