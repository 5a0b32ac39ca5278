"""Smooth weighted rotation: nginx's smooth weighted round robin, in O(log n) for a step.

The definition, as nginx behaves: at each step every member's current weight grows by its weight;
the largest (the first in order among equals) is picked and its current weight falls by the sum
of all weights. Weights 5, 1, 1 give a a b a c a a.

Three observations make it cheap without changing a single pick:

- Members of equal weight grow alike, so their order among themselves changes only by picks: a
  heap for each distinct weight, which holds each current weight less all growth since step 0,
  needs no update at a step.
- The first members of the heaps are lines over the steps, with their weights as slopes: a
  `KineticTournament` finds the highest.
- Undisturbed, the rotation repeats after sum(weights) / gcd(weights) steps. So the steps are
  recorded, and once the record holds a whole period it is repeated as it is; where all weights are
  equal, the period is known without a record. Only a change has the repeated steps worked into the
  current weights.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import islice
from math import gcd

from l7proxy.core.selectors.kinetic_tournament import KineticTournament

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from l7proxy.core.pool.backend import Backend, Weight

_LONGEST_PERIOD = 1 << 16
_REPEATED = 256
"""A period is repeated in its list until the list has at least so many steps: starting it over
costs more than a step."""
_QUIET = 16
"""Steps without a change after which it is worth finding out how long the period is."""


class SmoothRotation:
    """A set of backends that take turns by weight.

    `currents` keeps the current weights of backends that left, so that they go on from there when
    they return. Rotations whose members move between them share it.
    """

    def __init__(self, currents: dict[Backend, Weight] | None = None) -> None:
        self._currents = {} if currents is None else currents
        self._members: dict[Backend, tuple[Weight, Weight]] = {}
        """The weight of each member, and its intercept: the current weight that it had, or would
        have had, at step 0."""
        self._heaps: dict[Weight, list[tuple[Weight, int, Backend]]] = {}
        self._tournament = KineticTournament()
        # Whole weights have a whole sum, exact and shown as it is written.
        self._sum: Weight = 0
        self._steps = 0
        self._record: list[Backend] = []
        self._look_at = _QUIET
        """The length of the record at which it is looked at again; 0 where there is none."""
        self._period: list[Backend] = []
        """The picks of whole periods, once they are known; the state is as before the first."""
        self._upcoming: Iterator[Backend] = iter(())
        """The picks in `_period` that are still to come this time round."""

    def __len__(self) -> int:
        return len(self._members)

    def join(self, backend: Backend) -> None:
        """Adds a backend with its present weight."""
        self._disturb()
        weight = backend.weight
        intercept = self._currents.pop(backend, 0) - weight * self._steps
        self._members[backend] = (weight, intercept)
        self._sum += weight
        heap = self._heaps.setdefault(weight, [])
        heappush(heap, (-intercept, backend.index, backend))
        if heap[0][2] is backend:
            self._tournament.put(weight, intercept, backend.index, self._steps)
        if len(heap) > 2 * len(self._members) + 16:
            self._sweep(heap, weight)

    def leave(self, backend: Backend) -> None:
        """Removes a backend; its current weight is kept for its return."""
        self._disturb()
        weight, intercept = self._members.pop(backend)
        self._currents[backend] = intercept + weight * self._steps
        self._sum -= weight
        if self._heaps[weight][0][2] is backend:
            self._new_first(weight)

    def forget(self, backend: Backend) -> None:
        """Forgets the current weight of a backend that left and will not return."""
        self._currents.pop(backend, None)

    def step(self, avoid: Collection[Backend] = ()) -> Backend | None:
        """Picks the member whose turn it is, as if those in `avoid` had left."""
        if avoid:
            return self._step_without(avoid)
        return next(self._upcoming, None) or self._next()

    def current_weights(self) -> dict[Backend, Weight]:
        """Returns each member's current weight after the last pick that was handed out."""
        seen = self._seen()
        steps, turns = self._steps + len(seen), _turns(seen)
        return {
            backend: intercept + weight * steps - self._sum * turns.get(backend, 0)
            for backend, (weight, intercept) in self._members.items()
        }

    def _step_without(self, avoid: Collection[Backend]) -> Backend | None:
        resting = [backend for backend in dict.fromkeys(avoid) if backend in self._members]
        for backend in resting:
            self.leave(backend)
        picked = self.step()
        for backend in resting:
            self.join(backend)
        return picked

    def _next(self) -> Backend | None:
        if self._period:
            self._upcoming = iter(self._period)
            return next(self._upcoming)
        if not self._members:
            return None
        backend = self._play()
        if self._look_at:
            self._record.append(backend)
            if len(self._record) == self._look_at:
                self._look_for_period()
        return backend

    def _play(self) -> Backend:
        """One step of the definition."""
        self._steps += 1
        backend = self._heaps[self._tournament.highest(self._steps)][0][2]
        self._lower(backend, self._sum)
        return backend

    def _lower(self, backend: Backend, by: Weight) -> None:
        weight, intercept = self._members[backend]
        intercept -= by
        self._members[backend] = (weight, intercept)
        heappush(self._heaps[weight], (-intercept, backend.index, backend))
        self._new_first(weight)

    def _new_first(self, weight: Weight) -> None:
        """Brings a valid entry to the top of the heap, and into the tournament."""
        heap, members = self._heaps[weight], self._members
        while heap and members.get(heap[0][2]) != (weight, -heap[0][0]):
            heappop(heap)
        if heap:
            self._tournament.put(weight, -heap[0][0], heap[0][1], self._steps)
        else:
            del self._heaps[weight]
            self._tournament.remove(weight, self._steps)

    def _sweep(self, heap: list[tuple[Weight, int, Backend]], weight: Weight) -> None:
        """Removes the entries that are no longer valid; the one on top is, and stays there."""
        members = self._members
        heap[:] = {entry for entry in heap if members.get(entry[2]) == (weight, -entry[0])}
        heapify(heap)

    def _look_for_period(self) -> None:
        """Repeats the record if it ends with a whole period; else sets when to look again."""
        if len(self._heaps) == 1:
            period = self._round()
            if period:
                self._repeat(period)
                return
        length = self._period_length()
        if length > len(self._record):
            self._look_at = length
            return
        period = self._record[-length:] if length else []
        # If every member was picked by its weight, all are back at the start. After a change the
        # first period need not be like that.
        turns = _turns(period)
        if all(
            turns.get(backend, 0) * self._sum == weight * length
            for backend, (weight, _) in self._members.items()
        ):
            self._repeat(period)
        else:
            self._look_at = length
            self._record = []

    def _repeat(self, period: list[Backend]) -> None:
        """Repeats a period until something changes; where it is empty, nothing is recorded."""
        self._look_at = 0
        self._record = []
        if period:
            self._period = period * (-(-_REPEATED // len(period)))

    def _round(self) -> list[Backend]:
        """Returns the period of members that all have the same weight; empty where there is none.

        At its turn a member falls by the sum of all weights. If that brings it behind all others,
        they go round in the order that they are in.
        """
        members = self._members
        (heap,) = self._heaps.values()
        order = sorted(e for e in heap if members.get(e[2], (0, 0))[1] == -e[0])
        first, last = order[0], order[-1]
        even = last[:2] < (first[0] + self._sum, first[1])
        return [backend for _, _, backend in order] if even else []

    def _period_length(self) -> int:
        """Returns the steps after which the rotation may repeat; 0 where too many to record."""
        weights = self._heaps.keys()
        if any(weight != int(weight) for weight in weights):
            return 0
        length = int(self._sum) // gcd(*map(int, weights))
        return length if length <= _LONGEST_PERIOD else 0

    def _seen(self) -> list[Backend]:
        """Returns the picks of the period that were handed out this time round."""
        if not self._period:
            return []
        unseen = self._upcoming.__length_hint__()  # type: ignore[attr-defined]
        return list(islice(self._period, len(self._period) - unseen))

    def _disturb(self) -> None:
        """Works the repeated steps into the current weights, before something changes."""
        if self._period:
            seen = self._seen()
            self._steps += len(seen)
            for backend, turns in _turns(seen).items():
                self._lower(backend, self._sum * turns)
            self._period = []
            self._upcoming = iter(())
        self._record = []
        self._look_at = _QUIET


def _turns(picks: Iterable[Backend]) -> dict[Backend, int]:
    turns: dict[Backend, int] = {}
    for backend in picks:
        turns[backend] = turns.get(backend, 0) + 1
    return turns
