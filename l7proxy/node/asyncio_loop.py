"""The event loop that runs a node whose backends are real.

It keeps the promises of `blocking_loop`, with connections besides: one loop watches them, the
input and the output. These may be files, since it polls: for `poll` a file is always ready.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
from errno import ETIMEDOUT
from selectors import PollSelector

from l7proxy.node.blocking_loop import LONGEST_WAIT, SIGNALS, Drain
from l7proxy.upstreams.http import BufferedUpstream, ConnectionPools, ResponseMemory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.pool.pool import Pool
    from l7proxy.node.node import Node
    from l7proxy.upstreams.base import Upstream

    Build = Callable[[Callable[[Pool], Upstream]], Node]

CHUNK = 16 * 1024
MOST_AT_ONCE = 256
"""Requests that backends may have before no more input is read: each needs a connection."""
MOST_UNREAD = 1 << 20
"""Bytes of replies that may be unread before no more input is read."""
LARGEST_RESPONSE = 64 << 20
"""Bytes of a response's body at most: a reply is one line, whole in memory."""
MOST_INCOMPLETE = 64 << 20
"""Bytes of responses that are not complete before only one of them is read on."""
SWEEP = 1.0
"""Seconds between two searches for connections that are overdue."""


def run(build: Build, source: int, sink: int, *, drain_timeout: float = 30.0) -> None:
    """Runs the node that `build` makes as `blocking_loop.run` runs others.

    `build` is handed what makes the upstream of a pool with real backends. Raises what `build`
    raises, and OSError as `blocking_loop.run` does.
    """
    loop = asyncio.SelectorEventLoop(PollSelector())
    try:
        _Conversation(loop, build, source, sink, drain_timeout).run()
    except BrokenPipeError:
        return
    finally:
        loop.close()


class _Conversation:
    """A node between its input, its backends and its output."""

    def __init__(
        self,
        loop: asyncio.SelectorEventLoop,
        build: Build,
        source: int,
        sink: int,
        drain_timeout: float,
    ) -> None:
        self._loop = loop
        self._pools = pools = ConnectionPools(loop, lambda: self._node.engine.now(loop.time()))
        self._memory = memory = ResponseMemory(MOST_INCOMPLETE)
        self._node = build(lambda pool: BufferedUpstream(pool, pools, LARGEST_RESPONSE, memory))
        self._source = source
        self._sink = sink
        self._drain = Drain(drain_timeout)
        self._over: asyncio.Future[None] = loop.create_future()
        """Done when the last reply is written, or can't be."""
        self._input_ended = self._reading = self._writing = False
        self._following_up = self._finished = False
        self._out = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def run(self) -> None:
        self._is_file = stat.S_ISREG(os.fstat(self._sink).st_mode)
        self._room = select.poll()
        self._room.register(self._sink, select.POLLOUT)
        loop = self._loop
        for number in SIGNALS:
            loop.add_signal_handler(number, self._hear_signal)
        self._node.on_change(self._changed)
        self._sweep()
        self._follow_up()
        try:
            loop.run_until_complete(self._over)
        finally:
            self._pools.close()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
            loop.run_until_complete(_finished_tasks(loop))

    # What follows from a change is done once, after everything that was due has happened.

    def _changed(self) -> None:
        if not self._following_up:
            self._following_up = True
            self._loop.call_soon(self._follow_up)

    def _follow_up(self) -> None:
        node, now = self._node, self._loop.time()
        self._following_up = True
        end = self._drain.deadline
        if end is not None and not self._finished and (node.idle or now >= end):
            self._finished = True
            self._write(node.abort(now))
        else:
            self._write(node.output())
        self._following_up = False
        self._memory.look(is_open=len(self._out) < MOST_UNREAD)
        self._watch_input()
        self._set_timer()
        if self._finished and not self._out:
            self._finish(None)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        instants = [self._node.next_deadline(), self._drain.output_deadline]
        if not self._finished:
            instants.append(self._drain.deadline)
        first = min((at for at in instants if at is not None), default=now + LONGEST_WAIT)
        # A loop's clock may be coarser than its timers: never spin on what is almost due.
        self._timer = self._loop.call_at(max(first, now + 0.001), self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        self._write(self._node.advance(now))
        deadline = self._drain.output_deadline
        if deadline is not None and self._out and now >= deadline:
            self._finish(OSError(ETIMEDOUT, "nobody reads, and answers are lost", "stdout"))
            return
        self._follow_up()

    def _sweep(self) -> None:
        self._pools.sweep(self._node.engine.now(self._loop.time()))
        self._loop.call_later(SWEEP, self._sweep)

    def _finish(self, error: OSError | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    # Input.

    def _watch_input(self) -> None:
        """Reads on unless there is enough to do; then other nodes' replies wait as well."""
        wanted = (
            not self._input_ended
            and not self._over.done()
            and len(self._out) < MOST_UNREAD
            and self._node.engine.load < MOST_AT_ONCE
            and self._node.wants_input
        )
        if wanted and not self._reading:
            self._loop.add_reader(self._source, self._read)
        elif self._reading and not wanted:
            self._loop.remove_reader(self._source)
        self._reading = wanted

    def _read(self) -> None:
        try:
            data = os.read(self._source, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._input_ended = True
            self._finish(OSError(error.errno, error.strerror, "stdin"))
            self._follow_up()
            return
        now = self._loop.time()
        if data:
            self._write(self._node.feed(data, now))
        else:
            self._input_ended = True
            self._drain.input_ended(now)
            self._write(self._node.finish(now))
        self._follow_up()

    def _hear_signal(self) -> None:
        now = self._loop.time()
        if self._drain.signalled(now):
            self._write(self._node.drain(now))
        self._follow_up()

    # Output.

    def _write(self, data: bytes) -> None:
        self._out += data
        if self._out and not self._writing:
            self._writing = True
            self._loop.add_writer(self._sink, self._write_some)

    def _write_some(self) -> None:
        """Writes what there is room for: a pipe that has any takes PIPE_BUF without blocking."""
        out = self._out
        try:
            while out and self._room.poll(0):
                written = os.write(self._sink, out if self._is_file else out[: select.PIPE_BUF])
                del out[:written]
        except BlockingIOError:
            return
        except OSError as error:
            self._stop_writing()
            out.clear()
            self._finish(OSError(error.errno, error.strerror, "stdout"))
            return
        if not out:
            self._stop_writing()
            self._follow_up()

    def _stop_writing(self) -> None:
        self._writing = False
        self._loop.remove_writer(self._sink)


async def _finished_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Waits until what was cancelled or closed has come to its end."""
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)
