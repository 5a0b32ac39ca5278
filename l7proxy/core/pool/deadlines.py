"""How long a request may wait for a place, take on a backend, and take in all (seconds)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.config.policies import TimeoutsConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.timers import DelayLine, Timer, Timers


class Deadlines:
    """The deadlines of one pool: an exchange's `overdue` is called when one has passed."""

    __slots__ = ("_attempt", "_line", "_queue", "_request", "_timers")

    def __init__(self, config: TimeoutsConfig, queue_timeout: float, timers: Timers) -> None:
        self._timers = timers
        self._attempt = config.attempt
        self._request = config.request
        self._queue = queue_timeout
        self._line: DelayLine | None = None
        if config.attempt is not None and config.request is None:
            # All attempts have the same time, so that they are due in the order they began in.
            self._line = timers.delay_line(config.attempt, _overdue)

    def watch_wait(self, exchange: Exchange, now: float) -> Timer:
        """Watches an exchange that begins to wait for a place."""
        due = now + self._queue
        if self._request is not None:
            due = min(due, exchange.opened_at + self._request)
        return self._timers.schedule(due, exchange.overdue)

    def watch_attempt(self, exchange: Exchange, now: float) -> Timer | DelayLine | None:
        """Watches an exchange whose attempt begins; None where that may take for ever."""
        line = self._line
        if line is not None:
            line.put(exchange, now)
            return line
        due = None if self._attempt is None else now + self._attempt
        if self._request is not None:
            at_last = exchange.opened_at + self._request
            due = at_last if due is None else min(due, at_last)
        return None if due is None else self._timers.schedule(due, exchange.overdue)

    def unwatch(self, exchange: Exchange, watch: Timer | DelayLine) -> None:
        """Ends what one of the others, or the timers, began for the exchange."""
        line = self._line
        if watch is line and line is not None:
            line.drop(exchange, None)
        else:
            self._timers.cancel(watch)  # type: ignore[arg-type]

    def out_of_time(self, exchange: Exchange, now: float) -> bool:
        """Whether the request has used up, or will have by `now`, all of its time."""
        return self._request is not None and now >= exchange.opened_at + self._request


def _overdue(exchange: Exchange, now: float) -> None:
    exchange.overdue(now)
