"""The blocking loop that runs a node over file descriptors: what `main.py` does all day."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
from errno import ETIMEDOUT
from math import ceil
from select import PIPE_BUF
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.node.node import Node

CHUNK = 1 << 16
"""As much as a pipe holds. Memory for more is got from the system and given back for each read,
which takes longer than a message does."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
LONGEST_WAIT = 3600.0
"""The longest that the loop sleeps (seconds); what is due later than that is not forgotten."""
LAST_WORDS = 1.0
"""How long (seconds) a reader that stands still may take for the last answers."""


def run(node: Node, source: int, sink: int, *, drain_timeout: float = 30.0) -> None:
    """Feeds the node from `source` and writes its answers to `sink` until there is no more.

    It takes what is there, handles all of it, writes once, and only then waits for more. At the
    end of input, and on SIGTERM or SIGINT, what is in flight is finished, for at most
    `drain_timeout` seconds or until a second signal; then the rest is answered 503. Returns
    quietly when nobody reads the answers any more.

    Raises OSError, with "stdin" or "stdout" as its file, where reading or writing fails
    otherwise, and where after a signal the answers are not read in time.
    """
    given, sink = sink, _private(sink)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _noted) for number in SIGNALS}
    try:
        _Conversation(node, source, sink, wake, drain_timeout).run()
    except BrokenPipeError:
        return
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_waker)
        os.close(wake)
        os.close(waker)
        if sink != given:
            os.close(sink)


def _private(sink: int) -> int:
    """For a pipe another way into it, which need not block though the one that is shared does.

    It takes a whole chunk of answers in one write. Linux opens one anew behind /proc; elsewhere,
    and for anything else than a pipe, it is the descriptor as it is.
    """
    if stat.S_ISFIFO(os.fstat(sink).st_mode) and sys.platform == "linux":
        try:
            return os.open(f"/proc/self/fd/{sink}", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return sink
    return sink


def _noted(number: int, frame: object) -> None:
    """The wake-up pipe tells the loop; a handler must be there for it to be written to."""


class Ending:
    """When a conversation is over: it drains at the end of its input, or at a signal."""

    __slots__ = ("_drain_timeout", "at", "patience")

    def __init__(self, drain_timeout: float) -> None:
        self._drain_timeout = drain_timeout
        self.at: float | None = None
        """When what is in flight is given up; None while there is input and no signal."""
        self.patience: float | None = None
        """When the last answer must have been read; None before the first signal."""

    def input_ended(self, now: float) -> None:
        """There is nothing more to read."""
        if self.at is None:
            self.at = now + self._drain_timeout

    def signalled(self, now: float) -> bool:
        """The first signal begins the drain, for which this is True; the second ends it."""
        if self.patience is not None:
            self.at = now
            self.patience = now + LAST_WORDS
            return False
        end = now + self._drain_timeout
        self.at = end if self.at is None else min(end, self.at)
        self.patience = end + LAST_WORDS
        return True


class _Conversation:
    """A node between its input and its output, from the first message to the last answer."""

    def __init__(self, node: Node, source: int, sink: int, wake: int, drain_timeout: float) -> None:
        self._node = node
        self._source = source
        self._sink = sink
        self._wake = wake
        self._ending = Ending(drain_timeout)
        self._input = select.poll()
        self._input.register(source, select.POLLIN)
        self._input.register(wake, select.POLLIN)
        self._output = select.poll()
        self._output.register(sink, select.POLLOUT)
        self._output.register(wake, select.POLLIN)
        # What never blocks is written at once; otherwise no more than there is room for, so that
        # signals are heard while nobody reads.
        self._blocks = os.get_blocking(sink) and not stat.S_ISREG(os.fstat(sink).st_mode)

    def run(self) -> None:
        node, ending, poll = self._node, self._ending, self._input.poll
        told = False
        while ending.at is None or not self._is_over(ending.at):
            due = node.next_deadline()
            wait = None if due is ending.at is None else _milliseconds(due, ending.at)
            ready = dict(poll(wait))
            if due is not None:
                self._write(node.advance(monotonic()))
            # Signals first: reading may have to wait for room, and hears those that come then.
            if self._wake in ready:
                self._hear_signals()
            if self._source in ready:
                self._read()
            if ending.patience is not None and not told:
                told = True
                # Input is still read, since the answers of other nodes come that way.
                self._write(node.drain(monotonic()))
        self._write(node.abort(monotonic()))

    def _is_over(self, end: float) -> bool:
        return self._node.idle or monotonic() >= end

    def _read(self) -> None:
        try:
            data = os.read(self._source, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise OSError(error.errno, error.strerror, "stdin") from None
        now = monotonic()
        if data:
            self._write(self._node.feed(data, now))
            return
        self._input.unregister(self._source)
        self._ending.input_ended(now)
        self._write(self._node.finish(now))

    def _hear_signals(self) -> None:
        now = monotonic()
        for number in os.read(self._wake, 64):
            if number in SIGNALS:
                self._ending.signalled(now)

    def _write(self, data: bytes | memoryview) -> None:
        most = PIPE_BUF if self._blocks else None
        while data:
            if self._blocks:
                self._wait_for_room()
            try:
                data = memoryview(data)[os.write(self._sink, data[:most]) :]
            except BlockingIOError:
                self._wait_for_room()
            except OSError as error:
                raise OSError(error.errno, error.strerror, "stdout") from None

    def _wait_for_room(self) -> None:
        """Returns once the output takes more, which after a signal it has to in time."""
        while True:
            until = self._ending.patience
            ready = [fd for fd, _ in self._output.poll(_milliseconds(until, None))]
            if self._sink in ready:
                return
            if self._wake in ready:
                self._hear_signals()
            elif until is not None and monotonic() >= until:
                raise OSError(ETIMEDOUT, "nobody reads, and answers are lost", "stdout")


def _milliseconds(one: float | None, other: float | None) -> int | None:
    """How long to wait for the first of two instants; None where there is none."""
    first = other if one is None or (other is not None and other < one) else one
    if first is None:
        return None
    return ceil(min(max(0.0, first - monotonic()), LONGEST_WAIT) * 1000)
