"""Active health checks: who is asked when, and what the answers add up to."""

from __future__ import annotations

from l7proxy.core.policies.base import Policy
from l7proxy.core.policies.flags import DOWN, REMOVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from random import Random

    from l7proxy.core.config.policies import HealthConfig
    from l7proxy.core.policies.base import Successors
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.timers import Timer


class HealthCount:
    """Good and bad checks in a row, and what they amount to."""

    __slots__ = ("_against", "_fall", "_rise", "up")

    def __init__(self, config: HealthConfig) -> None:
        self._rise = config.rise
        self._fall = config.fall
        self.up = config.initially_up
        self._against = 0
        """How many checks in a row have said the opposite of `up`."""

    def add(self, *, good: bool) -> bool:
        """Counts a check; whether `up` flipped."""
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

    The upstream calls `answered(status, now)` or `failed(now)`; whichever comes first counts,
    and one that is not over by `due` counts as failed. `done(status or None, now)` is told once.
    `on_abandon`, if the upstream sets it, is called when nobody waits for the check any more.
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
        self.on_abandon: Callable[[], None] = _nothing
        self._done: Callable[[int | None, float], None] | None = done
        self._timer = pool.timers.schedule(due, self._overdue)

    @property
    def due(self) -> float:
        """When it counts as failed (seconds)."""
        return self._timer.when

    @property
    def over(self) -> bool:
        """Whether nobody waits for its outcome (any more)."""
        return self._done is None

    def answered(self, status: int, now: float) -> None:
        """The backend answered."""
        self._finish(status, now)

    def failed(self, now: float) -> None:
        """There was no answer."""
        self._finish(None, now)

    def cancel(self) -> None:
        """Forgets the check."""
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


def _nothing() -> None:
    """What there is to give up where the upstream set nothing."""


class HealthChecks(Policy):
    """The checks of one pool. `probes` is where those to be carried out now are put."""

    def __init__(
        self, pool: Pool, config: HealthConfig, random: Random, probes: deque[Probe]
    ) -> None:
        self._pool = pool
        self._config = config
        self._random = random
        self._probes = probes
        self._counts: dict[Backend, HealthCount] = {}
        self._next: dict[Backend, Timer] = {}
        self._under_way: dict[Backend, Probe] = {}

    def watch(self, backend: Backend, now: float) -> None:
        """Starts checking a backend, the first time at once; one that is checked goes on so."""
        if backend not in self._counts:
            self._counts[backend] = HealthCount(self._config)
        if not self._counts[backend].up:
            self._pool.set_flag(backend, DOWN, now)
        if backend not in self._next:
            self._schedule(backend, now)

    def handover_from(self, before: HealthChecks, successors: Successors) -> None:
        """Whoever was up or down stays so until checks find otherwise, under whatever settings."""
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
        probe = self._under_way.pop(backend, None)
        if probe is not None:
            probe.cancel()

    def assume(self, backend: Backend, *, up: bool) -> None:
        """Takes a person's word for how the backend is; the next checks may find otherwise."""
        count = self._counts[backend] = HealthCount(self._config)
        count.up = up

    def stop(self) -> None:
        """Stops checking."""
        for backend in list(self._counts):
            self.removed(backend)

    def _schedule(self, backend: Backend, when: float) -> None:
        self._next[backend] = self._pool.timers.schedule(
            when, lambda due: self._check(backend, due)
        )

    def _check(self, backend: Backend, now: float) -> None:
        before = self._under_way.get(backend)
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
        self._under_way[backend] = probe
        self._probes.append(probe)
        spread = self._config.jitter * (2 * self._random.random() - 1)
        self._schedule(backend, now + self._config.interval * (1 + spread))

    def _judge(self, backend: Backend, status: int | None, now: float) -> None:
        self._under_way.pop(backend, None)
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
