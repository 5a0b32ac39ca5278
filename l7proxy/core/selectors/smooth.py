"""Smooth weighted rotation: nginx's smooth weighted round robin, in O(log n) for a step.

The definition, as nginx behaves: at each step every member's current weight grows by its weight;
the largest (the first in order among equals) is picked and its current weight falls by the sum
of all weights. Weights 5, 1, 1 give a a b a c a a.

Two observations make it cheap without changing a single pick:

- Members of equal weight grow alike, so their order among themselves changes only by picks: a
  heap for each distinct weight, holding each current weight less what its class has grown, needs
  no update when the class grows. A step costs O(log n) and one look at each distinct weight.
- Undisturbed, the rotation repeats after sum(weights) / gcd(weights) steps. So its picks are
  written down, and once a whole period has led back to where it began, the record is replayed as
  it is. A change counts what was replayed into the current weights first.
"""

from __future__ import annotations

from collections import Counter
from heapq import heapify, heappop, heappush, heapreplace
from math import gcd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from l7proxy.core.backend import Backend

_LONGEST_PERIOD = 1 << 16
"""Longer ones are not written down."""


class SmoothRotation:
    """A set of backends that take turns by weight.

    `currents` keeps the current weight of those who left, so that nobody starts over on
    returning. Rotations whose members move between them share it.
    """

    def __init__(self, currents: dict[Backend, float] | None = None) -> None:
        self._currents = {} if currents is None else currents
        self._members: dict[Backend, tuple[float, float]] = {}
        """For each member its weight and its current weight as of step 0."""
        self._heaps: dict[float, list[tuple[float, int, Backend]]] = {}
        self._sum: float = 0
        self._steps = 0
        self._record: list[Backend] = []
        """The picks since the last change, or since the record was found not to repeat."""
        self._replayed: Iterator[Backend] = iter(())
        self._repeats = False
        self._period: int | None = None

    def __len__(self) -> int:
        return len(self._members)

    def join(self, backend: Backend) -> None:
        """Lets the backend take turns, by its weight of this moment."""
        self._settle()
        weight = backend.weight
        base = self._currents.pop(backend, 0) - weight * self._steps
        self._members[backend] = (weight, base)
        self._sum += weight
        heappush(self._heaps.setdefault(weight, []), (-base, backend.index, backend))

    def leave(self, backend: Backend) -> None:
        """Takes the backend out; what it has grown to is kept for its return."""
        self._settle()
        weight, base = self._members.pop(backend)
        self._currents[backend] = base + weight * self._steps
        self._sum -= weight
        self._drop_stale(weight)

    def forget(self, backend: Backend) -> None:
        """Lets go of what a backend that left had grown to: it will not return."""
        self._currents.pop(backend, None)

    def step(self, avoid: Collection[Backend] = ()) -> Backend | None:
        """Picks whose turn it is; members in `avoid` sit this one out, as if they had left."""
        if avoid:
            return self._step_without(avoid)
        backend = next(self._replayed, None)
        if backend is not None:
            return backend
        if self._repeats:
            self._replayed = iter(self._record)
            return next(self._replayed)
        return self._play_and_record() if self._members else None

    def current_weights(self) -> dict[Backend, float]:
        """Each member's current weight, after the last pick that was handed out."""
        self._settle()
        steps = self._steps
        return {backend: base + weight * steps for backend, (weight, base) in self._members.items()}

    def _step_without(self, avoid: Collection[Backend]) -> Backend | None:
        resting = [backend for backend in dict.fromkeys(avoid) if backend in self._members]
        for backend in resting:
            self.leave(backend)
        picked = self.step()
        for backend in resting:
            self.join(backend)
        return picked

    def _play_and_record(self) -> Backend:
        """Plays a step, and sees whether the steps since the last change are a whole period."""
        record = self._record
        if not record:
            self._period = self._find_period()
        backend = self._play()
        if self._period is not None:
            record.append(backend)
            if len(record) == self._period:
                if self._is_back_at_start():
                    self._repeats = True
                else:
                    record.clear()
        return backend

    def _find_period(self) -> int | None:
        """The steps after which the rotation may repeat; None where they are too many."""
        weights = self._heaps.keys()
        if any(weight != int(weight) for weight in weights):
            return None
        period = int(self._sum) // gcd(*map(int, weights))
        return period if period <= _LONGEST_PERIOD else None

    def _is_back_at_start(self) -> bool:
        """Whether the record picked everyone by their weight, which leads back to its start."""
        turns = Counter(self._record)
        played = len(self._record)
        return all(
            turns[backend] * self._sum == weight * played
            for backend, (weight, _) in self._members.items()
        )

    def _play(self) -> Backend:
        """One step of the definition."""
        self._steps = steps = self._steps + 1
        best_weight: float = 0
        best: tuple[float, int] | None = None
        for weight, heap in self._heaps.items():
            base, index, _ = heap[0]
            candidate = (base - weight * steps, index)
            if best is None or candidate < best:
                best, best_weight = candidate, weight
        backend = self._heaps[best_weight][0][2]
        self._rebase(backend, best_weight, -self._sum)
        return backend

    def _rebase(self, backend: Backend, weight: float, change: float) -> None:
        base = self._members[backend][1] + change
        self._members[backend] = (weight, base)
        heap = self._heaps[weight]
        entry = (-base, backend.index, backend)
        if heap[0][2] is backend:
            heapreplace(heap, entry)
        else:
            heappush(heap, entry)
        self._drop_stale(weight)

    def _settle(self) -> None:
        """Counts the replayed steps into the current weights, and begins a new record."""
        if self._repeats:
            unseen = self._replayed.__length_hint__()  # type: ignore[attr-defined]
            seen = self._record[: len(self._record) - unseen]
            self._steps += len(seen)
            for backend, turns in Counter(seen).items():
                self._rebase(backend, self._members[backend][0], -self._sum * turns)
            self._replayed = iter(())
            self._repeats = False
        self._record.clear()

    def _drop_stale(self, weight: float) -> None:
        """Keeps a live entry on top of the heap, and stale ones from outnumbering the live."""
        heap = self._heaps[weight]
        while heap and not self._is_live(heap[0], weight):
            heappop(heap)
        if not heap:
            del self._heaps[weight]
        elif len(heap) > 2 * len(self._members) + 16:
            heap[:] = {entry for entry in heap if self._is_live(entry, weight)}
            heapify(heap)

    def _is_live(self, entry: tuple[float, int, Backend], weight: float) -> bool:
        return self._members.get(entry[2]) == (weight, -entry[0])
