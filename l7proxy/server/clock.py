"""Drives the core's timers by one timer of the event loop, however many requests there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle

    from l7proxy.upstreams.dispatcher import Dispatcher

NEVER = float("inf")
GRACE = 0.1
"""Seconds by which a timer may be late. Beyond that the process has stood still (was stopped,
starved, suspended): it reads what has come for so long before it takes anything for late."""


class Clock:
    """Calls `dispatcher.catch_up` when something is due, to the loop's precision.

    Where the process has stood still, what backends sent in that time has not been read yet. It is
    read first, and checks and attempts then begin anew with all of their time.

    The loop's timer is only replaced by an earlier one. Under load that is rare: deadlines follow
    one another, and most are cancelled long before they are due. A timer that goes off for a
    cancelled deadline finds out when the next one is due.
    """

    def __init__(self, loop: AbstractEventLoop, dispatcher: Dispatcher) -> None:
        self._loop = loop
        self._dispatcher = dispatcher
        self._timers = dispatcher.proxy.timers
        self._handle: TimerHandle | None = None
        self._due = NEVER

    def start(self) -> None:
        """Starts the proxy, and from now on its timers."""
        self._timers.on_sooner = self._set
        self._dispatcher.proxy.start(self._loop.time())
        self._dispatcher.advance_ready(self._loop.time())
        # Deadlines handed over by another configuration were set before `on_sooner` was.
        due = self._timers.next_deadline()
        if due is not None:
            self._set(due)

    def rest(self) -> bool:
        """Gives the loop's timer back where nothing will be due; returns whether that is so.

        A timer for a deadline that was cancelled would keep a configuration that is over.
        """
        if self._timers.next_deadline() is not None:
            return False
        if self._handle is not None:
            self._handle.cancel()
            self._handle, self._due = None, NEVER
        return True

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
            # A loop's clock may be coarser than its timers, which would spin until it is due.
            self._set(max(due, now + 0.001))
