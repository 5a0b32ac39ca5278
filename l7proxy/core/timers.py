"""The schedule that everything in a proxy shares: a heap of timers, and delay lines beside it.

Nothing here reads a clock. The shell asks for `next_deadline()` and calls `advance(now)`; in
virtual time the same calls run an hour of traffic without sleeping. All times are in seconds.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Timer:
    """One action, due at `when`; None in its place once it has run or was cancelled."""

    __slots__ = ("action", "when")

    def __init__(self, when: float, action: Callable[[float], None]) -> None:
        self.when = when
        self.action: Callable[[float], None] | None = action

    @property
    def pending(self) -> bool:
        """Whether the action will still be called."""
        return self.action is not None


class DelayLine:
    """Things that are each due the same delay after they were put in.

    For what every request needs and hardly any request lets come due, such as its timeout: `put`
    and `drop` are O(1) and make no object, because things are due in the order in which they were
    put in.
    """

    __slots__ = ("_action", "_delay", "_timers", "drop", "waiting", "watched")

    def __init__(self, timers: Timers, delay: float, action: Callable[[Any, float], None]) -> None:
        self._timers = timers
        self._delay = delay
        self._action = action
        self.waiting: dict[Any, float] = {}
        """When each thing is due, in that order."""
        self.watched = False
        """Whether the timers look at this line: they do so until they find it empty."""
        self.drop: Callable[[Any, None], object] = self.waiting.pop
        """`drop(thing, None)` takes a thing out, if it is in, so that nothing happens to it."""

    def put(self, thing: Any, now: float) -> None:
        """Has `action(thing, now)` called when the delay is over. A thing can be in once."""
        due = self.waiting[thing] = now + self._delay
        if not self.watched:
            self._timers.watch(self, due)

    def first(self) -> float | None:
        """Returns when the next thing is due; None where there is none."""
        return next(iter(self.waiting.values()), None)

    def run_first(self, now: float) -> None:
        """Takes out the first thing and calls the action for it, at `now`."""
        thing = next(iter(self.waiting))
        del self.waiting[thing]
        self._action(thing, now)


class Timers:
    """Runs actions in order of time; of those due at the same time, the first scheduled first.

    What waits in a delay line comes after what was scheduled for the same time.
    """

    def __init__(self) -> None:
        self._lines: list[DelayLine] = []
        """The delay lines that may have something in them."""
        self._heap: list[tuple[float, int, Timer]] = []
        self._scheduled = 0
        self._cancelled = 0
        self.on_sooner: Callable[[float], None] | None = None
        """Is called with the time of what is scheduled and may be due before everything else."""

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled + sum(len(line.waiting) for line in self._lines)

    @property
    def held(self) -> int:
        """How many timers are in memory: cancelled ones, too, until they are swept out."""
        return len(self._heap)

    def delay_line(self, delay: float, action: Callable[[Any, float], None]) -> DelayLine:
        """Returns a line in which everything is due `delay` seconds after it was put in."""
        return DelayLine(self, delay, action)

    def watch(self, line: DelayLine, due: float) -> None:
        """Adds a line that was empty and now has something that is due at `due` (seconds)."""
        line.watched = True
        self._lines.append(line)
        if self.on_sooner is not None:
            self.on_sooner(due)

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
        """Makes sure the action is not called; does nothing if it was, or was cancelled before."""
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
        """Returns when the next action is due; None where nothing is scheduled."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heappop(heap)
            self._cancelled -= 1
        due = heap[0][0] if heap else None
        if self._lines:
            line = self._next_line()
            if line is not None and (due is None or line[0] < due):
                return line[0]
        return due

    def advance(self, now: float) -> None:
        """Runs everything due by `now`, each action with the instant at which it was due.

        An action may schedule more; what is due by `now` of that runs in its order, too.
        """
        while (due := self.next_deadline()) is not None and due <= now:
            self._run_first(due, due)

    def catch_up(self, now: float) -> None:
        """Runs everything due by `now`, each action with `now`.

        For real time, which goes on while the process stands still: what an action starts late has
        all of its time from then on, and is not overdue before it began.
        """
        while (due := self.next_deadline()) is not None and due <= now:
            self._run_first(due, now)

    def _run_first(self, due: float, now: float) -> None:
        """Runs what is due first, at `due`, as if it were `now`."""
        if self._heap and self._heap[0][0] == due:
            timer = heappop(self._heap)[2]
            action, timer.action = timer.action, None
            assert action is not None
            action(now)
        else:
            line = self._next_line()
            assert line is not None
            line[1].run_first(now)

    def _next_line(self) -> tuple[float, DelayLine] | None:
        """Returns when the first thing in any line is due, and that line; forgets empty lines."""
        best: tuple[float, DelayLine] | None = None
        for line in tuple(self._lines):
            due = line.first()
            if due is None:
                line.watched = False
                self._lines.remove(line)
            elif best is None or due < best[0]:
                best = (due, line)
        return best
