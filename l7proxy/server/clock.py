"""Lets time pass in the core: one timer of the event loop, however many requests there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle

    from l7proxy.upstreams.dispatcher import Dispatcher

NEVER = float("inf")
GRACE = 0.1
"""Seconds by which a timer may be late; beyond that the process has stood still (stopped, starved,
suspended), and listens for so long before it calls anybody else late."""


class Clock:
    """Calls `dispatcher.catch_up` when something is due, to the loop's precision.

    Where the process has stood still, what backends sent meanwhile has not been read yet: they
    are heard first, and checks and attempts begin anew with all of their time.

    The loop's timer is set anew only where something is due before it would go off. Under load
    that hardly ever is so: deadlines come one after the other, and most are cancelled long
    before; a timer that goes off for a cancelled one finds out when the next is due.
    """

    def __init__(self, loop: AbstractEventLoop, dispatcher: Dispatcher) -> None:
        self._loop = loop
        self._dispatcher = dispatcher
        self._timers = dispatcher.proxy.timers
        self._handle: TimerHandle | None = None
        self._due = NEVER

    def start(self) -> None:
        """Begins to watch the dispatcher's timers."""
        self._timers.on_sooner = self._set
        self._dispatcher.proxy.start(self._loop.time())
        self._dispatcher.advance_ready(self._loop.time())
        # What was taken over from another configuration was due before anybody listened.
        due = self._timers.next_deadline()
        if due is not None:
            self._set(due)

    def _set(self, due: float) -> None:
        if due < self._due:
            if self._handle is not None:
                self._handle.cancel()
            self._due = due
            self._handle = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        if now - self._due <= GRACE:
            self._catch_up()
        else:
            self._due = now
            self._handle = self._loop.call_at(now + GRACE, self._catch_up)

    def _catch_up(self) -> None:
        self._handle, self._due = None, NEVER
        now = self._loop.time()
        self._dispatcher.catch_up(now)
        due = self._timers.next_deadline()
        if due is not None:
            # A loop's clock may be coarser than its timers: never spin on what is almost due.
            self._set(max(due, now + 0.001))
