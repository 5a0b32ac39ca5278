"""How several workers say once that all of them have reloaded.

Each reports by its number in a pipe, and wakes the supervisor with a signal: signals alone, of
which several may arrive as one, could not be counted.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WAKE = signal.SIGUSR2
"""The signal that a supervisor gets when there are reports."""
_SIZE = 4
"""Bytes of a report."""


class ReloadReports:
    """Made by the supervisor, before its workers are."""

    def __init__(self, done: Callable[[], None]) -> None:
        """`done` is called when all of the workers that were asked to reload have done so."""
        self._done = done
        self._supervisor = os.getpid()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._awaited: set[int] = set()

    def send(self) -> None:
        """Reports, in a worker, that it has reloaded."""
        if os.getppid() == self._supervisor:
            os.write(self._writer, os.getpid().to_bytes(_SIZE))
            os.kill(self._supervisor, WAKE)

    def expect(self, workers: Iterable[int]) -> None:
        """Waits, in the supervisor, for these workers, in place of those that are still missing."""
        self._awaited = set(workers)

    def receive(self) -> None:
        """Reads what has come, in the supervisor."""
        try:
            reports = os.read(self._reader, 1 << 16)
        except BlockingIOError:
            return
        for start in range(0, len(reports), _SIZE):
            self.forget(int.from_bytes(reports[start : start + _SIZE]))

    def forget(self, worker: int) -> None:
        """Waits no longer for a worker: it has reloaded or ended."""
        if worker in self._awaited:
            self._awaited.discard(worker)
            if not self._awaited:
                self._done()
