"""The highest of many lines that all rise, at any time: a kinetic tournament.

J. Basch, L. Guibas and J. Hershberger, "Data structures for mobile data" (1997). The lines meet in
a tree of matches, which the higher one wins. Where the loser is the steeper one it will win one
day; that day is noted for the match and for all above it, and until then nobody looks again.
"""

from __future__ import annotations

_NEVER = float("inf")
_EMPTY = -1


class KineticTournament:
    """A changing set of lines `intercept + slope * time`; no two have the same slope.

    Of lines that are equally high the one with the lower `rank` counts as higher. Time is a whole
    number and never runs backwards. O(log n) for a change, and about that for asking: few matches
    expire in between.
    """

    __slots__ = (
        "_expiries",
        "_free",
        "_intercepts",
        "_leaves",
        "_ranks",
        "_size",
        "_slopes",
        "_winners",
    )

    def __init__(self) -> None:
        self._leaves: dict[float, int] = {}
        """The number of each slope's leaf, by which the next three lists are indexed."""
        self._slopes: list[float] = []
        self._intercepts: list[float] = []
        self._ranks: list[int] = []
        self._free: list[int] = []
        self._size = 0
        self._winners: list[int] = []
        """The leaf that wins each match. Match m is between the winners of 2m and 2m + 1; from
        `_size` on, they are the leaves themselves."""
        self._expiries: list[float] = []
        """The time from which each match, or one below it, may end otherwise."""
        self._resize(1)

    def put(self, slope: float, intercept: float, rank: int, time: int) -> None:
        """Adds a line, or changes the intercept and the rank of the one with this slope."""
        leaf = self._leaves.get(slope)
        if leaf is None:
            if not self._free:
                self._resize(2 * self._size)
                self._replay_all(time)
            leaf = self._leaves[slope] = self._free.pop()
            self._slopes[leaf] = slope
            self._winners[self._size + leaf] = leaf
        self._intercepts[leaf] = intercept
        self._ranks[leaf] = rank
        self._replay(leaf, time)

    def remove(self, slope: float, time: int) -> None:
        """Removes the line with this slope."""
        leaf = self._leaves.pop(slope)
        self._free.append(leaf)
        self._winners[self._size + leaf] = _EMPTY
        self._replay(leaf, time)

    def highest(self, time: int) -> float:
        """Returns the slope of the highest line; there must be one."""
        if self._expiries[1] <= time:
            self._catch_up(1, time)
        return self._slopes[self._winners[1]]

    def _replay(self, leaf: int, time: int) -> None:
        match = (self._size + leaf) >> 1
        while match:
            self._play(match, time)
            match >>= 1

    def _catch_up(self, match: int, time: int) -> None:
        for below in (2 * match, 2 * match + 1):
            if self._expiries[below] <= time:
                self._catch_up(below, time)
        self._play(match, time)

    def _play(self, match: int, time: int) -> None:
        left, right = 2 * match, 2 * match + 1
        one, other = self._winners[left], self._winners[right]
        expiry = self._expiries[left]
        if self._expiries[right] < expiry:
            expiry = self._expiries[right]
        if other == _EMPTY or one == _EMPTY:
            self._winners[match] = one if other == _EMPTY else other
            self._expiries[match] = expiry
            return
        intercepts, slopes = self._intercepts, self._slopes
        gap = intercepts[one] - intercepts[other]
        slower_by = slopes[other] - slopes[one]
        ahead = gap - slower_by * time
        if ahead < 0 or (ahead == 0 and self._ranks[other] < self._ranks[one]):
            one, gap, slower_by = other, -gap, -slower_by
        self._winners[match] = one
        if slower_by > 0:
            caught = max(gap // slower_by, time + 1)
            if caught < expiry:
                expiry = caught
        self._expiries[match] = expiry

    def _replay_all(self, time: int) -> None:
        for match in range(self._size - 1, 0, -1):
            self._play(match, time)

    def _resize(self, size: int) -> None:
        more = size - self._size
        self._free = list(range(size - 1, self._size - 1, -1))
        self._slopes += [0.0] * more
        self._intercepts += [0.0] * more
        self._ranks += [0] * more
        leaves = [_EMPTY] * size
        for leaf in self._leaves.values():
            leaves[leaf] = leaf
        self._size = size
        self._winners = [_EMPTY] * size + leaves
        self._expiries = [_NEVER] * (2 * size)
