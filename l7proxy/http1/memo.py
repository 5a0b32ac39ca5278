"""A bounded memory of results already computed, for functions of nothing but bytes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    V = TypeVar("V")


class Memo(dict[bytes, "V"]):
    """Results by the bytes they came from; looked up as in any dictionary.

    When it is full it forgets everything: that costs nothing per entry, and what is in use comes
    back with one miss each. At most `entries` results are held, and none with a key longer than
    `key_size` bytes, so that no peer can fill the memory of the process.
    """

    __slots__ = ("_entries", "_key_size")

    def __init__(self, entries: int = 512, key_size: int = 2048) -> None:
        super().__init__()
        self._entries = entries
        self._key_size = key_size

    def remember(self, key: bytes, value: V) -> None:
        if len(key) <= self._key_size and self._entries:
            if len(self) >= self._entries:
                self.clear()
            self[key] = value
