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

from l7proxy.core.callbacks import ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from l7proxy.node.node import Node

    NewPoll = Callable[[], Any]
    """Makes an object like `select.poll`'s."""

CHUNK = 1 << 16
"""Bytes read at a time: as many as a pipe holds. Memory for more is got from the system and given
back for each read, which takes longer than a message does."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
LONGEST_WAIT = 3600.0
"""Seconds that the loop sleeps at most; what is due later is still done when it is due."""
OUTPUT_TIMEOUT = 1.0
"""Seconds after the drain within which the last replies must have been read."""


def run(
    node: Node,
    source: int,
    sink: int,
    *,
    drain_timeout: float = 30.0,
    clock: Callable[[], float] = monotonic,
    poll: NewPoll = select.poll,
) -> None:
    """Feeds the node from `source` and writes its replies to `sink` until there is no more.

    The loop reads what is there, handles all of it, writes once, and only then waits for more. At
    the end of input, and on SIGTERM or SIGINT, what is in flight is finished, for at most
    `drain_timeout` seconds or until a second signal; then the rest is answered 503. Returns
    quietly when nobody reads the replies any more. `clock` gives seconds, and `poll` makes a new
    object like `select.poll`'s.

    Raises OSError, with "stdin" or "stdout" as its file, where reading or writing fails
    otherwise, and where after a signal the replies are not read in time.
    """
    given, sink = sink, _private(sink)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    # With any handler of its own Python writes the signal's number to the wake-up descriptor.
    handlers = {number: signal.signal(number, ignore) for number in SIGNALS}
    try:
        _Conversation(node, source, sink, wake, Drain(drain_timeout), clock, poll).run()
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
    """Opens a pipe anew, so that writing need not block though the shared descriptor does.

    Then a whole chunk of replies is one write. Linux can do that, by /proc; elsewhere, and for
    anything but a pipe, returns the descriptor as it is.
    """
    if stat.S_ISFIFO(os.fstat(sink).st_mode) and sys.platform == "linux":
        try:
            return os.open(f"/proc/self/fd/{sink}", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return sink
    return sink


class Drain:
    """When a conversation is over: it drains from the end of its input, or from a signal, on."""

    __slots__ = ("_timeout", "deadline", "output_deadline")

    def __init__(self, timeout: float) -> None:
        """`timeout` is how long (seconds) what is in flight may take to finish."""
        self._timeout = timeout
        self.deadline: float | None = None
        """When what is in flight is answered 503; None while there is input and no signal."""
        self.output_deadline: float | None = None
        """When the last reply must have been read; None before the first signal."""

    def input_ended(self, now: float) -> None:
        """Begins the drain unless a signal has."""
        if self.deadline is None:
            self.deadline = now + self._timeout

    def signalled(self, now: float) -> bool:
        """Begins the drain at the first signal, and returns True; ends it at any other."""
        if self.output_deadline is not None:
            self.deadline = now
            self.output_deadline = now + OUTPUT_TIMEOUT
            return False
        end = now + self._timeout
        self.deadline = end if self.deadline is None else min(end, self.deadline)
        self.output_deadline = end + OUTPUT_TIMEOUT
        return True


class _Conversation:
    """A node between its input and its output, from the first message to the last reply."""

    def __init__(
        self,
        node: Node,
        source: int,
        sink: int,
        wake: int,
        drain: Drain,
        clock: Callable[[], float],
        poll: NewPoll,
    ) -> None:
        self._node = node
        self._source = source
        self._sink = sink
        self._wake = wake
        self._drain = drain
        self._clock = clock
        self._input = poll()
        self._listening = self._ended = False
        self._input.register(wake, select.POLLIN)
        self._output = poll()
        self._output.register(sink, select.POLLOUT)
        self._output.register(wake, select.POLLIN)
        # What never blocks is written at once; otherwise no more than there is room for, so that
        # signals are heard while nobody reads.
        self._blocks = os.get_blocking(sink) and not stat.S_ISREG(os.fstat(sink).st_mode)

    def run(self) -> None:
        node, drain, clock, poll = self._node, self._drain, self._clock, self._input.poll
        draining = False
        while drain.deadline is None or not self._is_over(drain.deadline):
            self._listen(node.wants_input)
            due = node.next_deadline()
            ready = dict(poll(poll_timeout(clock, due, drain.deadline)))
            if due is not None:
                self._write(node.advance(clock()))
            # Signals first: reading may have to wait for room, and hears those that come then.
            if self._wake in ready:
                self._hear_signals()
            if self._source in ready:
                self._read()
            if drain.output_deadline is not None and not draining:
                draining = True
                # Input is still read, since the replies of other nodes come that way.
                self._write(node.drain(clock()))
        self._write(node.abort(clock()))

    def _listen(self, wanted: bool) -> None:
        """Waits for input, too, or no more."""
        if wanted is self._listening or self._ended:
            return
        self._listening = wanted
        if wanted:
            self._input.register(self._source, select.POLLIN)
        else:
            self._input.unregister(self._source)

    def _is_over(self, end: float) -> bool:
        return self._node.idle or self._clock() >= end

    def _read(self) -> None:
        try:
            data = os.read(self._source, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise OSError(error.errno, error.strerror, "stdin") from None
        now = self._clock()
        if data:
            self._write(self._node.feed(data, now))
            return
        self._listen(False)
        self._ended = True
        self._drain.input_ended(now)
        self._write(self._node.finish(now))

    def _hear_signals(self) -> None:
        now = self._clock()
        for number in os.read(self._wake, 64):
            if number in SIGNALS:
                self._drain.signalled(now)

    def _write(self, data: bytes | memoryview) -> None:
        most = PIPE_BUF if self._blocks else None
        while data:
            if self._blocks:
                self._wait_for_room()
            try:
                written = os.write(self._sink, data[:most])
                data = memoryview(data)[written:]
            except BlockingIOError:
                self._wait_for_room()
            except OSError as error:
                raise OSError(error.errno, error.strerror, "stdout") from None

    def _wait_for_room(self) -> None:
        """Returns once the output takes more, which after a signal it has to in time."""
        while True:
            until = self._drain.output_deadline
            ready = [fd for fd, _ in self._output.poll(poll_timeout(self._clock, until))]
            if self._sink in ready:
                return
            if self._wake in ready:
                self._hear_signals()
            elif until is not None and self._clock() >= until:
                raise OSError(ETIMEDOUT, "nobody reads, and answers are lost", "stdout")


def poll_timeout(
    clock: Callable[[], float], one: float | None, other: float | None = None
) -> int | None:
    """How long (milliseconds) `poll` waits for the first of two instants; None where there is none.

    Rounded up, so that what is due is due by then, and at most `LONGEST_WAIT`.
    """
    first = other if one is None or (other is not None and other < one) else one
    if first is None:
        return None
    return ceil(min(max(0.0, first - clock()), LONGEST_WAIT) * 1000)
