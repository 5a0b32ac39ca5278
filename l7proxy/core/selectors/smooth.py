"""Smooth weighted rotation: nginx's smooth weighted round robin, in O(log n) for a step.

The definition, as nginx behaves: at each step every member's current weight grows by its weight;
the largest (the first in order among equals) is picked and its current weight falls by the sum
of all weights. Weights 5, 1, 1 give a a b a c a a.

Two observations make it cheap without changing a single pick:

- Members of equal weight grow alike, so their order among themselves changes only by picks: a
  heap for each distinct weight, holding each current weight less what its class has grown, needs
  no update when the class grows. A step costs O(log n) and one look at each distinct weight.
- Undisturbed, the rotation repeats after sum(weights) / gcd(weights) steps. So steps are played
  ahead of time into a plan, which doubles as long as nothing changes until it holds a whole
  period, and is then repeated as it is. A change takes back the steps that nobody has seen.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from itertools import islice
from math import gcd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from l7proxy.core.backend import Backend

_LONGEST_PLAN = 1 << 16


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
        self._plan: list[Backend] = []
        self._upcoming: Iterator[Backend] = iter(())
        self._periodic = False

    def __len__(self) -> int:
        return len(self._members)

    def join(self, backend: Backend) -> None:
        """Lets the backend take turns, by its weight of this moment."""
        self._take_back()
        weight = backend.weight
        base = self._currents.pop(backend, 0) - weight * self._steps
        self._members[backend] = (weight, base)
        self._sum += weight
        heappush(self._heaps.setdefault(weight, []), (-base, backend.index, backend))

    def leave(self, backend: Backend) -> None:
        """Takes the backend out; what it has grown to is kept for its return."""
        self._take_back()
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
        backend = next(self._upcoming, None)
        if backend is None and self._members:
            self._play_ahead()
            backend = next(self._upcoming)
        return backend

    def current_weights(self) -> dict[Backend, float]:
        """Each member's current weight, after the last pick that was handed out."""
        self._take_back()
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

    def _play_ahead(self) -> None:
        if not self._periodic:
            length = min(max(len(self._plan) * 2, 1), _LONGEST_PLAN)
            period = self._period()
            whole = period is not None and length >= period
            if whole and period is not None:
                length = period
            self._plan = [self._play() for _ in range(length)]
            self._periodic = whole and self._is_back_at_start(length)
        self._upcoming = iter(self._plan)

    def _period(self) -> int | None:
        """The number of steps after which the rotation may repeat; None where too many to plan."""
        weights = self._heaps.keys()
        if any(weight != int(weight) for weight in weights):
            return None
        period = int(self._sum) // gcd(*map(int, weights))
        return period if period <= _LONGEST_PLAN else None

    def _is_back_at_start(self, played: int) -> bool:
        """Whether the plan picked everyone by their weight, which is what returns to its start."""
        turns = dict.fromkeys(self._members, 0)
        for backend in self._plan:
            turns[backend] += 1
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

    def _take_back(self) -> None:
        """Undoes the steps played ahead, from the last, and makes the next plan short again."""
        unseen = self._upcoming.__length_hint__()  # type: ignore[attr-defined]
        if unseen:
            for backend in islice(reversed(self._plan), unseen):
                self._steps -= 1
                self._rebase(backend, self._members[backend][0], self._sum)
            self._upcoming = iter(())
        self._plan = []
        self._periodic = False

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
