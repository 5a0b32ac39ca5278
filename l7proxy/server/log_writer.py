"""Writes a log in a thread of its own, so that nobody waits for a disk or for who reads a pipe."""

from __future__ import annotations

import os
import select
import stat
from collections import deque
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_WAITING = 4 << 20
"""Bytes that may wait to be written."""
ATOMIC = select.PIPE_BUF
"""Bytes that a pipe takes at once, so that nothing of another process comes between them."""
HERE = 1
"""Has `lseek` return where the last write ended."""
TOO_SLOW = "they are not taken fast enough"


class Losses:
    """Counts the lines that a log has lost, whichever of its files they were for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lines = 0
        self._why = ""

    def add(self, lines: int, why: str) -> None:
        """Counts lines that are lost, if any, and why."""
        if lines:
            with self._lock:
                self._lines += lines
                self._why = why

    def take(self) -> tuple[int, str]:
        """Returns how many lines were lost since this was called last, and why the last was."""
        with self._lock:
            lines, self._lines = self._lines, 0
            return lines, self._why


class LogWriter:
    """Writes lines to a file, which it closes in the end.

    What can't be written is lost, and counted in `losses`. No line is left torn: where a disk has
    room for a part of one, that part is taken back.
    """

    def __init__(self, file: int, losses: Losses, most_waiting: int = MOST_WAITING) -> None:
        """`file` is a descriptor, which is the writer's from now on.

        Lines that come while more than `most_waiting` bytes wait are lost.
        """
        self._file = file
        self._most_waiting = most_waiting
        self._losses = losses
        found = os.fstat(file)
        self._is_regular = stat.S_ISREG(found.st_mode)
        self._identity = found.st_dev, found.st_ino
        self._changed = Condition()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._bytes_waiting = 0
        """Those that are just being written included."""
        self._lines_waiting = 0
        self._torn = False
        """Whether the file ends in the middle of a line."""
        self._worker: Thread | None = None
        self._is_closing = False

    def is_of_the_same_file(self, other: LogWriter) -> bool:
        """Whether both write to the same file."""
        return self._identity == other._identity

    def write(self, data: bytes, lines: int) -> None:
        """Has whole lines written soon; loses them where too much waits already."""
        with self._changed:
            if self._bytes_waiting > self._most_waiting:
                self._losses.add(lines, TOO_SLOW)
                return
            self._waiting.append((data, lines))
            self._bytes_waiting += len(data)
            self._lines_waiting += lines
            if self._worker is None:
                self._worker = Thread(target=self._run, name="l7proxy log", daemon=True)
                self._worker.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Closes the file once everything is written, which nobody waits for."""
        with self._changed:
            self._is_closing = True
            if self._worker is None:
                os.close(self._file)
                self._file = -1
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Waits until all is written, and the file closed if it is to be; whether that is so.

        `timeout` is for how many seconds at most; then what still waits counts as lost.
        """
        with self._changed:
            if self._changed.wait_for(self._is_idle, timeout):
                return True
            self._losses.add(self._lines_waiting, TOO_SLOW)
            self._lines_waiting = 0
            return False

    def _is_idle(self) -> bool:
        return self._file < 0 if self._is_closing else not self._bytes_waiting

    def _run(self) -> None:
        """Writes what comes, until the writer is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    os.close(self._file)
                    self._file = -1
                    self._changed.notify_all()
                    return
                data, lines = self._waiting.popleft()
            for piece in (data,) if self._is_regular else _pieces(data):
                self._losses.add(*self._write_lines(piece))
            with self._changed:
                self._bytes_waiting -= len(data)
                self._lines_waiting = max(self._lines_waiting - lines, 0)
                self._changed.notify_all()

    def _write_lines(self, data: bytes) -> tuple[int, str]:
        """Writes lines; returns how many of them could not be, and why."""
        if self._torn:
            data = b"\n" + data
        done = 0
        try:
            while done < len(data):
                try:
                    done += os.write(self._file, data[done:] if done else data)
                except BlockingIOError:
                    # Somebody else who has it open has chosen not to wait.
                    select.select([], [self._file], [])
        except OSError as error:
            complete = data.rfind(b"\n", 0, done) + 1
            lost = data.count(b"\n", complete) - (self._torn and not complete)
            if done:
                self._torn = done > complete and not self._take_back(done - complete)
            return lost, error.strerror or str(error)
        self._torn = False
        return 0, ""

    def _take_back(self, size: int) -> bool:
        """Shortens the file by what was written last; returns whether that could be done."""
        try:
            end = os.lseek(self._file, 0, HERE)
            if not self._is_regular or os.fstat(self._file).st_size != end:
                # Another process has written behind it.
                return False
            os.ftruncate(self._file, end - size)
        except OSError:
            return False
        return True


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yields lines together that a pipe takes at once, or one that is longer."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + ATOMIC) + 1
        if not end:
            end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
