"""A bounded memory of results already computed, for functions of nothing but bytes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    V = TypeVar("V")

_LAST = 1023
"""Of one key more, at most, it is known at a time that it came once. All bits are ones."""
MISSES = 2048
"""How many keys in a row may be unknown before the memory rests."""
REST = 8192
"""For how many keys it rests then."""


class Memo(dict[bytes, "V"]):
    """Results by the bytes they came from; looked up as in any dictionary.

    Most keys never come again, so a result is kept when its key comes for the second time: what
    comes once costs a mark and no memory. When it is full it forgets the oldest. At most `entries`
    results are held, and none with a key longer than `key_size` bytes, so that no peer can fill the
    memory of the process.

    Where keys don't come again at all, even to look for them costs a tenth of parsing what they
    are. So whoever looks up does so only while `resting` is 0, counts it down otherwise, and sets
    `misses` to 0 where the key is known.
    """

    __slots__ = ("_entries", "_key_size", "_marks", "misses", "resting")

    def __init__(self, entries: int = 512, key_size: int = 2048) -> None:
        super().__init__()
        self._entries = entries
        self._key_size = key_size
        self._marks = [0] * (_LAST + 1)
        self.misses = 0
        self.resting = 0

    def remember(self, key: bytes, value: V) -> None:
        """Keeps the value if its key came before, and not too many others since."""
        self.misses += 1
        if self.misses > MISSES:
            self.misses = 0
            self.resting = REST
        marks = self._marks
        mark = hash(key)
        place = mark & _LAST
        if marks[place] != mark:
            marks[place] = mark
        elif len(key) <= self._key_size and self._entries:
            if len(self) >= self._entries:
                del self[next(iter(self))]
            self[key] = value
