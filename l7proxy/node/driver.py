"""The blocking loop that runs a node over file descriptors: what `main.py` does all day."""

from __future__ import annotations

import os
import select
import signal
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.node.node import Node

CHUNK = 1 << 20


def run(node: Node, source: int, sink: int, *, drain_timeout: float = 30.0) -> None:
    """Feeds the node from `source` and writes its answers to `sink` until there is no more.

    It takes what is there, handles all of it, writes once, and only then waits for more. At the
    end of input, and on SIGTERM or SIGINT, what is in flight is finished, for at most
    `drain_timeout` seconds or until a second signal; then the rest is answered 503. Returns
    quietly when nobody reads the answers any more; raises OSError where reading or writing fails
    otherwise.
    """
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _noted) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _converse(node, source, sink, wake, drain_timeout)
    except BrokenPipeError:
        return
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_waker)
        os.close(wake)
        os.close(waker)


def _noted(number: int, frame: object) -> None:
    """The wake-up pipe tells the loop; a handler must be there for it to be written to."""


def _converse(node: Node, source: int, sink: int, wake: int, drain_timeout: float) -> None:
    """Feeds the node until the end of input or a signal, and then lets it finish what it has."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(wake, select.POLLIN)
    end: float | None = None
    signalled = False
    while end is None or not (node.idle or monotonic() >= end):
        due = node.next_deadline()
        until = due if end is None or (due is not None and due < end) else end
        # Part of a millisecond waits for a whole one: poll rounds up, so that it never spins.
        wait = None if until is None else max(0.0, until - monotonic()) * 1000
        ready = [fd for fd, _ in poll.poll(wait)]
        if due is not None:
            _write(sink, node.advance(monotonic()))
        if source in ready:
            data = _read(source)
            now = monotonic()
            if data:
                _write(sink, node.feed(data, now))
            elif data is not None:
                poll.unregister(source)
                end = end or now + drain_timeout
                _write(sink, node.finish(now))
        if wake in ready:
            os.read(wake, CHUNK)
            if signalled:
                break
            signalled = True
            end = end or monotonic() + drain_timeout
            # Input is still read, since the answers of other nodes come that way.
            _write(sink, node.drain(monotonic()))
    _write(sink, node.abort(monotonic()))


# Whoever started us may share the descriptions and have made them non-blocking.


def _read(source: int) -> bytes | None:
    """What is there, empty at the end of input; None where there was nothing after all."""
    try:
        return os.read(source, CHUNK)
    except BlockingIOError:
        return None


def _write(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(sink, view) :]
        except BlockingIOError:
            select.select((), (sink,), ())
