"""Lets time pass in the core: one timer of the event loop, however many requests there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle

    from l7proxy.upstreams.carrier import Carrier

NEVER = float("inf")


class Clock:
    """Calls `carrier.advance` when something is due, to the loop's precision.

    The loop's timer is set anew only where something is due before it would go off. Under load
    that hardly ever is so: deadlines come one after the other, and most are cancelled long
    before; a timer that goes off for a cancelled one finds out when the next is due.
    """

    def __init__(self, loop: AbstractEventLoop, carrier: Carrier) -> None:
        self._loop = loop
        self._carrier = carrier
        self._timers = carrier.proxy.timers
        self._handle: TimerHandle | None = None
        self._due = NEVER

    def start(self) -> None:
        """Begins to watch the carrier's timers."""
        self._timers.on_sooner = self._set
        self._carrier.proxy.start(self._loop.time())
        self._carrier.carry_ready(self._loop.time())

    def _set(self, due: float) -> None:
        if due < self._due:
            if self._handle is not None:
                self._handle.cancel()
            self._due = due
            self._handle = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._handle, self._due = None, NEVER
        now = self._loop.time()
        self._carrier.advance(now)
        due = self._timers.next_deadline()
        if due is not None:
            # A loop's clock may be coarser than its timers: never spin on what is almost due.
            self._set(max(due, now + 0.001))
