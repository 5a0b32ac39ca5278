"""What is due when: the one schedule that everything in a proxy shares.

Nothing here reads a clock. The shell asks for `next_deadline()` and calls `advance(now)`; in
virtual time the same calls run an hour of traffic without sleeping.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """One action, due at `when` (seconds)."""

    __slots__ = ("action", "when")

    def __init__(self, when: float, action: Callable[[float], None]) -> None:
        self.when = when
        self.action: Callable[[float], None] | None = action

    @property
    def pending(self) -> bool:
        return self.action is not None


class Timers:
    """Actions in order of time; of those due at the same time, the first scheduled goes first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._scheduled = 0
        self._cancelled = 0
        self.on_sooner: Callable[[float], None] | None = None
        """Told of an action that is scheduled to be the next one, and when it is due."""

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def schedule(self, when: float, action: Callable[[float], None]) -> Timer:
        """Has `action(when)` called by the first `advance(now)` with `now >= when`."""
        timer = Timer(when, action)
        self._scheduled += 1
        heap = self._heap
        heappush(heap, (when, self._scheduled, timer))
        if heap[0][2] is timer and self.on_sooner is not None:
            self.on_sooner(when)
        return timer

    def cancel(self, timer: Timer) -> None:
        """Makes sure the action is not called; does nothing if it was, or is cancelled already."""
        if timer.action is None:
            return
        timer.action = None
        self._cancelled += 1
        # Cancelled entries stay in the heap until they are due or until they are the larger
        # part of it: each is then swept at most once, so cancelling stays O(log n) amortised.
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> float | None:
        """When the next action is due (seconds); None where nothing is scheduled."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def advance(self, now: float) -> None:
        """Runs everything due by `now`, each action being told the instant it was due.

        An action may schedule more; what that makes due by `now` runs in its order too.
        """
        while (due := self.next_deadline()) is not None and due <= now:
            timer = heappop(self._heap)[2]
            action, timer.action = timer.action, None
            assert action is not None
            action(due)
