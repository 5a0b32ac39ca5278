"""Who is highest while all rise at a steady pace, each at their own.

A kinetic tournament (J. Basch, L. Guibas, J. Hershberger, "Data structures for mobile data",
1997): a tree of matches. Whoever rises more slowly than the loser of a match must lose it one day;
that day is noted, for the match and for all above it, so that until then nobody looks.
"""

from __future__ import annotations

_NEVER = float("inf")
_NOBODY = -1


class KineticTournament:
    """Entrants at `height + pace * time`; paces differ, and name the entrants.

    Equals are told apart by `rank`, the lower one first. Time is a whole number and never runs
    backwards. O(log n) for an entrant that changes, and about that for asking: the days that
    come due in between are few.
    """

    __slots__ = ("_due", "_free", "_heights", "_paces", "_ranks", "_seats", "_size", "_winners")

    def __init__(self) -> None:
        self._seats: dict[float, int] = {}
        self._paces: list[float] = []
        self._heights: list[float] = []
        self._ranks: list[int] = []
        self._free: list[int] = []
        self._size = 0
        self._winners: list[int] = []
        """For each match the winner's seat. Match m is played by the winners of 2m and 2m + 1;
        from `_size` on, they are the seats themselves."""
        self._due: list[float] = []
        """For each match when it, or one below it, may end otherwise."""
        self._resize(1)

    def enter(self, pace: float, height: float, rank: int, time: int) -> None:
        """Puts an entrant in, or changes its height (its height at time 0) and rank."""
        seat = self._seats.get(pace)
        if seat is None:
            if not self._free:
                self._resize(2 * self._size)
                self._replay_all(time)
            seat = self._seats[pace] = self._free.pop()
            self._paces[seat] = pace
            self._winners[self._size + seat] = seat
        elif self._heights[seat] == height and self._ranks[seat] == rank:
            return
        self._heights[seat] = height
        self._ranks[seat] = rank
        self._replay(seat, time)

    def leave(self, pace: float, time: int) -> None:
        """Takes an entrant out."""
        seat = self._seats.pop(pace)
        self._free.append(seat)
        self._winners[self._size + seat] = _NOBODY
        self._replay(seat, time)

    def highest(self, time: int) -> float:
        """The pace of who is highest; there must be someone."""
        if self._due[1] <= time:
            self._catch_up(1, time)
        return self._paces[self._winners[1]]

    def _replay(self, seat: int, time: int) -> None:
        match = (self._size + seat) >> 1
        while match:
            self._play(match, time)
            match >>= 1

    def _catch_up(self, match: int, time: int) -> None:
        for below in (2 * match, 2 * match + 1):
            if self._due[below] <= time:
                self._catch_up(below, time)
        self._play(match, time)

    def _play(self, match: int, time: int) -> None:
        left, right = 2 * match, 2 * match + 1
        one, other = self._winners[left], self._winners[right]
        due = self._due[left]
        if self._due[right] < due:
            due = self._due[right]
        if other == _NOBODY or one == _NOBODY:
            self._winners[match] = one if other == _NOBODY else other
            self._due[match] = due
            return
        heights, paces = self._heights, self._paces
        gap = heights[one] - heights[other]
        slower_by = paces[other] - paces[one]
        ahead = gap - slower_by * time
        if ahead < 0 or (ahead == 0 and self._ranks[other] < self._ranks[one]):
            one, gap, slower_by = other, -gap, -slower_by
        self._winners[match] = one
        if slower_by > 0:
            caught = max(gap // slower_by, time + 1)
            if caught < due:
                due = caught
        self._due[match] = due

    def _replay_all(self, time: int) -> None:
        for match in range(self._size - 1, 0, -1):
            self._play(match, time)

    def _resize(self, size: int) -> None:
        more = size - self._size
        self._free = list(range(size - 1, self._size - 1, -1))
        self._paces += [0.0] * more
        self._heights += [0.0] * more
        self._ranks += [0] * more
        seats = [_NOBODY] * size
        for seat in self._seats.values():
            seats[seat] = seat
        self._size = size
        self._winners = [_NOBODY] * size + seats
        self._due = [_NEVER] * (2 * size)
