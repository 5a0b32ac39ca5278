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
    `drain_timeout` seconds; then the rest is answered 503. Returns quietly when nobody reads
    the answers any more.
    """
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _noted) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _converse(node, source, sink, wake)
        _drain(node, sink, drain_timeout)
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


def _converse(node: Node, source: int, sink: int, wake: int) -> None:
    """Feeds the node until the end of input or a signal."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        due = node.next_deadline()
        wait = None if due is None else max(0.0, due - monotonic()) * 1000
        ready = [fd for fd, _ in poll.poll(wait)]
        if wake in ready:
            return
        if due is not None:
            _write(sink, node.advance(monotonic()))
        if source in ready:
            data = os.read(source, CHUNK)
            if not data:
                _write(sink, node.finish(monotonic()))
                return
            _write(sink, node.feed(data, monotonic()))


def _drain(node: Node, sink: int, timeout: float) -> None:
    """Waits for what is in flight; answers what is left when the time is up."""
    end = monotonic() + timeout
    while not node.idle and monotonic() < end:
        due = node.next_deadline()
        until = end if due is None else min(due, end)
        select.select((), (), (), max(0.0, until - monotonic()))
        _write(sink, node.advance(monotonic()))
    _write(sink, node.abort(monotonic()))


def _write(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]
