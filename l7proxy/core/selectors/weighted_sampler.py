"""Drawing backends at random, by weight."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random

    from l7proxy.core.pool.backend import Backend

_UNIT = 1 << 16
"""Shares per unit of weight. Whole numbers add up without error, however often they change."""


class WeightedSampler:
    """A changing set of backends, each drawn with a probability in proportion to its weight.

    While all weights are equal a draw is one look into a list. Otherwise the shares are in a
    Fenwick tree (P. Fenwick, "A new data structure for cumulative frequency tables", 1994): O(log
    n) for a draw and for a change.
    """

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self._members: list[Backend] = []
        self._places: dict[Backend, int] = {}
        self._shares: list[int] = []
        """Each member's share, in the order of `_members`."""
        self._how_many: dict[int, int] = {}
        """For each share that occurs, how many members have it."""
        self._sum = 0
        self._tree: list[int] | None = None
        """Built when weights differ for the first time; its length is a power of two, plus one."""

    def add(self, backend: Backend) -> None:
        """Puts the backend in, with its weight of this moment."""
        share = _share(backend)
        place = len(self._members)
        self._places[backend] = place
        self._members.append(backend)
        self._shares.append(0)
        self._set_share(place, share)

    def remove(self, backend: Backend) -> None:
        """Takes the backend out."""
        # The last member takes the free place, so that nobody else need move.
        place = self._places.pop(backend)
        last = len(self._members) - 1
        moved, share = self._members[last], self._shares[last]
        self._set_share(last, 0)
        self._members.pop()
        self._shares.pop()
        if place != last:
            self._members[place] = moved
            self._places[moved] = place
            self._set_share(place, share)

    def change(self, backend: Backend) -> None:
        """Notes the backend's weight of this moment."""
        self._set_share(self._places[backend], _share(backend))

    def one(self) -> Backend | None:
        """A member, or None where there is none."""
        members = self._members
        if len(self._how_many) > 1:
            return members[self._find(int(self._random() * self._sum))[0]]
        return members[int(self._random() * len(members))] if members else None

    def two(self) -> tuple[Backend, Backend] | None:
        """Two different members, the second drawn from those that are left; None below two."""
        members = self._members
        count = len(members)
        if count < 2:
            return None
        if len(self._how_many) == 1:
            first = int(self._random() * count)
            second = int(self._random() * (count - 1))
            if second >= first:
                second += 1
            return members[first], members[second]
        drawn = int(self._random() * self._sum)
        first, within = self._find(drawn)
        # The second is drawn as if the first one's stretch of shares were cut out.
        share = self._shares[first]
        other = int(self._random() * (self._sum - share))
        if other >= drawn - within:
            other += share
        return members[first], members[self._find(other)[0]]

    def _find(self, drawn: int) -> tuple[int, int]:
        """The place whose stretch of shares holds `drawn`, and how far within it that is."""
        tree = self._tree
        if tree is None:
            tree = self._tree = self._build()
        place, step = 0, len(tree) - 1
        while step:
            ahead = place + step
            if ahead < len(tree) and tree[ahead] <= drawn:
                place = ahead
                drawn -= tree[ahead]
            step >>= 1
        return place, drawn

    def _set_share(self, place: int, share: int) -> None:
        before = self._shares[place]
        self._shares[place] = share
        self._sum += share - before
        how_many = self._how_many
        if before:
            if how_many[before] == 1:
                del how_many[before]
            else:
                how_many[before] -= 1
        if share:
            how_many[share] = how_many.get(share, 0) + 1
        tree = self._tree
        if tree is None:
            return
        if place + 1 >= len(tree):
            self._tree = self._build()
            return
        node, change = place + 1, share - before
        while node < len(tree):
            tree[node] += change
            node += node & -node

    def _build(self) -> list[int]:
        size = 1 << len(self._shares).bit_length()
        tree = [0, *self._shares] + [0] * (size - len(self._shares))
        for node in range(1, size):
            tree[node + (node & -node)] += tree[node]
        return tree


def _share(backend: Backend) -> int:
    return max(1, round(backend.weight * _UNIT))
