"""A pool: its backends, who of them may be given a request now, and who waits for one."""

from __future__ import annotations

from collections import deque

from l7proxy.core.backend import FULL, Backend
from l7proxy.core.retry import RetryPolicy
from l7proxy.core.selectors import Selector, find_selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random

    from l7proxy.core.config import PoolConfig
    from l7proxy.core.exchange import Exchange


class Pool:
    """Keeps each backend's bars, in-flight count and eligibility, and tells the selector."""

    def __init__(self, name: str, config: PoolConfig, random: Random) -> None:
        self.name = name
        self.config = config
        self.backends = [
            Backend(index, backend_name, backend)
            for index, (backend_name, backend) in enumerate(
                zip(config.backend_names, config.backends, strict=True)
            )
        ]
        self.by_name = {backend.name: backend for backend in self.backends}
        selector = find_selector(config.algorithm)
        self.selector = selector(self.backends, config.options, random)
        self.retry = RetryPolicy(config.retries)
        self.queue: deque[Exchange] = deque()
        self._hears_load = (
            selector.opened is not Selector.opened or selector.closed is not Selector.closed
        )

    def acquire(self, backend: Backend) -> None:
        """Counts a request in on the backend."""
        backend.in_flight += 1
        backend.total += 1
        if self._hears_load:
            self.selector.opened(backend)
        if backend.in_flight == backend.config.max_connections:
            self.raise_bar(backend, FULL)

    def release(self, backend: Backend, now: float) -> None:
        """Counts a request out on the backend, and lets the next one that waits have its place."""
        backend.in_flight -= 1
        if self._hears_load:
            self.selector.closed(backend)
        if backend.bars & FULL:
            self.lower_bar(backend, FULL, now)

    def may_wait(self) -> bool:
        """Whether a request that found no place may wait for one: some backend is only busy."""
        return len(self.queue) < self.config.queue.size and any(
            backend.bars == FULL for backend in self.backends
        )

    def patience(self, opened_at: float, now: float) -> float:
        """When a request that starts to wait now is told that it waited too long."""
        return self._no_later_than_request(opened_at, now + self.config.queue.timeout)

    def deadline(self, opened_at: float, now: float) -> float | None:
        """When an attempt that starts now is too slow; None where it may take for ever."""
        timeouts = self.config.timeouts
        if timeouts.attempt is None:
            return None if timeouts.request is None else opened_at + timeouts.request
        return self._no_later_than_request(opened_at, now + timeouts.attempt)

    def raise_bar(self, backend: Backend, bar: int) -> None:
        """Gives a reason against the backend."""
        backend.bars |= bar
        self._reconsider(backend)

    def lower_bar(self, backend: Backend, bar: int, now: float) -> None:
        """Takes back a reason against the backend."""
        backend.bars &= ~bar
        self._reconsider(backend)
        self.dispatch(now)

    def dispatch(self, now: float) -> None:
        """Starts those who wait, the longest first, as far as there is room."""
        while self.queue and self.queue[0].take_place(now):
            self.queue.popleft()

    def reweight(self, backend: Backend, weight: float) -> None:
        """Changes a backend's weight; nobody's turn is lost."""
        backend.weight = weight
        if backend.eligible:
            self.selector.reweighted(backend)

    def _no_later_than_request(self, opened_at: float, due: float) -> float:
        limit = self.config.timeouts.request
        return due if limit is None else min(due, opened_at + limit)

    def _reconsider(self, backend: Backend) -> None:
        eligible = not backend.bars
        if eligible is backend.eligible:
            return
        backend.eligible = eligible
        if eligible:
            self.selector.joined(backend)
        else:
            self.selector.left(backend)
