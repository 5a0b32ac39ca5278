"""What a client has sent ahead of what is being answered."""

from __future__ import annotations

MAX_PENDING = 64 * 1024
"""Bytes of pipelined requests beyond which no more is read ahead."""


class ReadAhead:
    """What has come and was not begun: `data` from `start` on; what is before that was.

    It is kept uncopied while one request after the other is taken from it. `is_full` is whether so
    much is there that no more should be read.
    """

    __slots__ = ("data", "is_full", "start")

    def __init__(self) -> None:
        self.data = b""
        self.start = 0
        self.is_full = False

    def __len__(self) -> int:
        return len(self.data) - self.start

    def append(self, data: bytes) -> None:
        """Keeps what comes behind the rest."""
        self.keep(self.data[self.start :] + data, 0)

    def keep(self, data: bytes, start: int) -> None:
        """Keeps `data[start:]` in place of what was there."""
        left = len(data) - start
        self.is_full = left > MAX_PENDING
        if left:
            self.data, self.start = data, start
        else:
            self.data, self.start = b"", 0

    def take(self) -> tuple[bytes, int]:
        """Returns the data and its start; what of it is not begun is to be kept again.

        Until then it counts as full where it did.
        """
        data, start = self.data, self.start
        self.data, self.start = b"", 0
        return data, start

    def clear(self) -> None:
        """Forgets everything."""
        self.keep(b"", 0)
