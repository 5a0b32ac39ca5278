"""How many of the last while's requests failed: a sliding window in constant memory."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.config.policies import FailureRateConfig

SLICES = 10
"""A window is counted in this many slices; it slides by one of them."""


class FailureRate:
    """Counts outcomes over the last `window` seconds, give or take a tenth of it."""

    __slots__ = ("_config", "_failed", "_first", "_seen")

    def __init__(self, config: FailureRateConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        self._first = 0
        """The number of the oldest slice that is kept."""
        self._seen = [0] * SLICES
        self._failed = [0] * SLICES

    def add(self, now: float, *, failed: bool) -> bool:
        """Counts one outcome; whether too many of the window's outcomes are failures now."""
        slot = self._slot(now)
        self._seen[slot] += 1
        self._failed[slot] += failed
        return self._has_too_many()

    def turn(self, now: float) -> bool:
        """One that was counted as good is a failure after all; whether they are too many now."""
        self._failed[self._slot(now)] += 1
        return self._has_too_many()

    def _slot(self, now: float) -> int:
        """Where this instant is counted; slides the window so far."""
        slot = int(now * SLICES / self._config.window)
        if slot >= self._first + SLICES:
            for old in range(self._first, min(slot - SLICES + 1, self._first + SLICES)):
                self._seen[old % SLICES] = self._failed[old % SLICES] = 0
            self._first = slot - SLICES + 1
        return slot % SLICES

    def _has_too_many(self) -> bool:
        seen = sum(self._seen)
        too_many = sum(self._failed) >= self._config.share * seen
        return seen >= self._config.min_requests and too_many
