"""A bounded memory of results already computed, for functions of nothing but bytes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    V = TypeVar("V")


class Memo(dict[bytes, "V"]):
    """The newest results, by the bytes they came from.

    Two generations: the dictionary itself, and the one before it. When it is full it becomes
    the previous generation and starts anew, so that making room costs nothing per entry, and
    what is in use survives because `recall` brings it back. At most `2 * entries` results are
    held, and none with a key longer than `key_size` bytes.

    The fast path is `memo.get(key)`; only when that has nothing is `recall` asked.
    """

    __slots__ = ("_entries", "_key_size", "_previous")

    def __init__(self, entries: int = 256, key_size: int = 2048) -> None:
        super().__init__()
        self._entries = entries
        self._key_size = key_size
        self._previous: dict[bytes, V] = {}

    def recall(self, key: bytes) -> V | None:
        """The result from the previous generation, brought back into this one."""
        value = self._previous.get(key)
        if value is not None:
            self.remember(key, value)
        return value

    def remember(self, key: bytes, value: V) -> None:
        if len(key) > self._key_size:
            return
        if len(self) >= self._entries:
            self._previous = dict(self)
            self.clear()
        self[key] = value
