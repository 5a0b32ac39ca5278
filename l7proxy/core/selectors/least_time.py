"""`least-time`: the backend expected to answer soonest, by peak EWMA.

As in Finagle ("Peak EWMA"): a backend's response time is remembered as an average in which the
past fades, except that a rise counts at once and in full. Expected is that time for each request
it would then have in flight.
"""

from __future__ import annotations

from math import exp

from l7proxy.core.config.algorithms import LeastTimeOptions
from l7proxy.core.selectors.better_of_two import BetterOfTwo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend

_UNHEARD = 1e6
"""Seconds expected of a backend that has requests and has not answered any: more than of others."""


class LeastTime(BetterOfTwo):
    """Picks the less response time x (in-flight + 1) / weight.

    A response time fades towards zero while its backend answers nothing, so that a slow one is
    tried again; the clock is the time of the latest observation. A backend that has never answered
    is tried at once, by one request. A failure never makes a backend look faster: failing is quick.
    """

    options = LeastTimeOptions
    rule = "of the two drawn by weight, the one expected to answer sooner; of equals the first"

    def prepare(self) -> None:
        super().prepare()
        self._remembered: dict[Backend, tuple[float, float]] = {}
        """The response time (seconds) of each backend that has answered, and as of when."""
        self._now = 0.0

    def is_better(self, backend: Backend, other: Backend) -> bool:
        return self._expected(backend) < self._expected(other)

    def observed(self, backend: Backend, seconds: float, now: float, *, failed: bool) -> None:
        self._now = now
        known = self._remembered.get(backend)
        if known is not None:
            kept = exp((known[1] - now) / self.settings.decay)
            aged = known[0] * kept
            if seconds < aged:
                seconds = aged if failed else aged + seconds * (1 - kept)
        self._remembered[backend] = (seconds, now)

    def forgotten(self, backend: Backend) -> None:
        self._remembered.pop(backend, None)

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        known = [backend for backend in self.backends if backend in self._remembered]
        return {
            **super().explain(request, avoid),
            "response_time": {backend.name: self._response_time(backend) for backend in known},
            "expected": {backend.name: self._expected(backend) for backend in known},
        }

    def _expected(self, backend: Backend) -> float:
        if backend not in self._remembered:
            return _UNHEARD * backend.in_flight / backend.weight
        return self._response_time(backend) * (backend.in_flight + 1) / backend.weight

    def _response_time(self, backend: Backend) -> float:
        seconds, at = self._remembered[backend]
        return seconds * exp((at - self._now) / self.settings.decay)
