"""The share of failures among recent requests: a sliding window in constant memory."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.config.policies import FailureRateConfig

SLICES = 10
"""A window is counted in this many slices, and slides by one of them."""


class FailureRate:
    """Counts outcomes over the last `window` seconds, give or take a tenth of it."""

    __slots__ = ("_config", "_failed", "_first", "_seen")

    def __init__(self, config: FailureRateConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Forgets all outcomes."""
        self._first = 0
        """The number of the oldest slice that is kept."""
        self._seen = [0] * SLICES
        self._failed = [0] * SLICES

    def add(self, now: float, *, failed: bool) -> bool:
        """Counts an outcome; returns whether too many in the window are failures now."""
        index = self._slice(now)
        self._seen[index] += 1
        self._failed[index] += failed
        return self._has_too_many()

    def add_late_failure(self, now: float) -> bool:
        """Counts the failure of a request that is counted as a success already.

        Returns whether too many outcomes in the window are failures now.
        """
        self._failed[self._slice(now)] += 1
        return self._has_too_many()

    def _slice(self, now: float) -> int:
        """Slides the window up to `now`; returns the index of the slice that counts it."""
        number = int(now * SLICES / self._config.window)
        if number >= self._first + SLICES:
            for old in range(self._first, min(number - SLICES + 1, self._first + SLICES)):
                self._seen[old % SLICES] = self._failed[old % SLICES] = 0
            self._first = number - SLICES + 1
        return number % SLICES

    def _has_too_many(self) -> bool:
        seen = sum(self._seen)
        too_many = sum(self._failed) >= self._config.share * seen
        return seen >= self._config.min_requests and too_many
