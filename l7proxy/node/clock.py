"""The node's time: the wall clock's, or the one that envelopes tell."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Clock:
    """Seconds since the first message, or, once an envelope carries `at`, virtual seconds.

    Virtual time stands still between envelopes. Where the wall clock had run before the first
    `at`, virtual time goes on from there, so that the core never sees time run backwards; a
    conversation whose first message carries `at` depends on no clock at all.
    """

    def __init__(self, *, virtual: bool = False) -> None:
        self.virtual = virtual
        self.now = 0.0
        """The core's time (seconds)."""
        self.started = False
        """Before the first message no time passes."""
        self._wall = 0.0
        self._origin = 0.0
        self._shift = 0.0

    def follow_wall(self, wall: float) -> float:
        """Goes on to the wall clock's `wall` (seconds), unless time is virtual; returns `now`."""
        self._wall = wall
        if self.started and not self.virtual:
            self.now = max(self.now, wall - self._origin)
        return self.now

    def start(self) -> None:
        """Starts time with the first message, at second 0 unless that said what time it is."""
        self.started = True
        self._origin = self._wall

    def on_wall(self, instant: float) -> float:
        """Returns the wall clock's time for an instant of the core's (both in seconds)."""
        return instant + self._origin

    def read(self, at: Any) -> float:
        """Returns the core's time for an envelope's `at`, and makes time virtual.

        Raises ValueError, with a text for people, where `at` can't be used.
        """
        if type(at) not in (int, float) or not 0 <= at < 1e15:
            raise ValueError("must be a number of seconds, 0 or more")
        if not self.started:
            self.now = float(at)
        elif not self.virtual:
            self._shift = max(0.0, self.now - at)
        self.virtual = True
        instant = float(at) + self._shift
        if instant < self.now:
            raise ValueError(f"time can't run backwards: {at} comes after {self.shown()}")
        return instant

    def shown(self) -> object:
        """Returns virtual time as replies carry it: to the nanosecond, whole where it is."""
        shown = round(self.now - self._shift, 9)
        if shown.is_integer():
            return int(shown)
        return shown
