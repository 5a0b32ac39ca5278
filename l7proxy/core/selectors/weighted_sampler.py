"""Random samples of backends, by weight."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random

    from l7proxy.core.pool.backend import Backend

_UNIT = 1 << 16
"""Shares per unit of weight. Whole numbers add up without error, however often they change."""


class WeightedSampler:
    """A changing set of backends, each sampled with a probability in proportion to its weight.

    While all weights are equal, a sample is one look into a list. Otherwise the shares are in a
    Fenwick tree (P. Fenwick, "A new data structure for cumulative frequency tables", 1994):
    O(log n) for a sample and for a change.
    """

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self._members: list[Backend] = []
        self._indexes: dict[Backend, int] = {}
        """The index of each member in `_members`."""
        self._shares: list[int] = []
        """The share of each member, in the order of `_members`."""
        self._how_many: dict[int, int] = {}
        """For each share that occurs, the number of members that have it."""
        self._sum = 0
        self._tree: list[int] | None = None
        """Built when weights differ for the first time; its length is a power of two, plus one."""

    def add(self, backend: Backend) -> None:
        """Adds a backend with its present weight."""
        share = _share(backend)
        index = len(self._members)
        self._indexes[backend] = index
        self._members.append(backend)
        self._shares.append(0)
        self._set_share(index, share)

    def remove(self, backend: Backend) -> None:
        """Removes a backend."""
        # The last member moves to the free index, so that nobody else need move.
        index = self._indexes.pop(backend)
        last = len(self._members) - 1
        moved, share = self._members[last], self._shares[last]
        self._set_share(last, 0)
        self._members.pop()
        self._shares.pop()
        if index != last:
            self._members[index] = moved
            self._indexes[moved] = index
            self._set_share(index, share)

    def change(self, backend: Backend) -> None:
        """Notes the present weight of a backend."""
        self._set_share(self._indexes[backend], _share(backend))

    def one(self) -> Backend | None:
        """Returns one member; None where there is none."""
        members = self._members
        if len(self._how_many) > 1:
            return members[self._find(int(self._random() * self._sum))[0]]
        return members[int(self._random() * len(members))] if members else None

    def two(self) -> tuple[Backend, Backend] | None:
        """Returns two different members, the second sampled without the first; None below two."""
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
        point = int(self._random() * self._sum)
        first, within = self._find(point)
        # The second is sampled as if the first one's stretch of shares were cut out.
        share = self._shares[first]
        other = int(self._random() * (self._sum - share))
        if other >= point - within:
            other += share
        return members[first], members[self._find(other)[0]]

    def _find(self, point: int) -> tuple[int, int]:
        """Returns the index of the member whose stretch of shares holds a point, from 0 to the sum
        of all shares, and how far within the stretch it is."""
        tree = self._tree
        if tree is None:
            tree = self._tree = self._build()
        index, step = 0, len(tree) - 1
        while step:
            ahead = index + step
            if ahead < len(tree) and tree[ahead] <= point:
                index = ahead
                point -= tree[ahead]
            step >>= 1
        return index, point

    def _set_share(self, index: int, share: int) -> None:
        before = self._shares[index]
        self._shares[index] = share
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
        if index + 1 >= len(tree):
            self._tree = self._build()
            return
        node, change = index + 1, share - before
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
