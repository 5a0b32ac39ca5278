"""Why a request went where it went: an exchange that takes notes.

`Proxy.open(request, now, Traced)` opens one. What it notes is what the core went by, at the moment
it did so, so that an explanation can't differ from the decision; and an exchange that takes no
notes has none of this code in its way.
"""

from __future__ import annotations

from l7proxy.core.callbacks import ignore
from l7proxy.core.exchange import Exchange
from l7proxy.core.exchange_state import ATTEMPTING, BACKING_OFF, ENDED, QUEUED
from l7proxy.core.flags import HEALTH_FLAGS
from l7proxy.core.http.local_reply import BAD_REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.http.messages import Headers, HttpRequest, HttpResponse
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy

    Facts = dict[str, Any]


class Traced(Exchange):
    """An exchange that can give its `decision`."""

    __slots__ = ("_attempts", "_considered", "_limits", "_since", "_waited", "_waits")

    def __init__(
        self,
        proxy: Proxy,
        request: HttpRequest,
        now: float,
        owner: Any = None,
        dispatch: Callable[[Exchange, float], None] = ignore,
    ) -> None:
        super().__init__(proxy, request, now, owner, dispatch)
        self._attempts: list[Facts] = []
        self._considered: Facts = {}
        """What the next backend is chosen by."""
        self._limits: list[Facts] | None = None
        self._since: float | None = None
        """When it began to wait, if it does."""
        self._waited = 0.0
        self._waits: list[Facts] = []

    @property
    def decision(self) -> Facts:
        """The decision and its reasons, in the order in which they came about, as JSON values."""
        made: Facts = {}
        if self.target is not None:
            made["route"] = self._route()
        if self._limits:
            made["limits"] = self._limits
        pool = self.pool
        if pool is not None:
            made["pool"] = pool.name
            made["algorithm"] = pool.config.algorithm
            if pool.selector.rule:
                made["rule"] = pool.selector.rule
            made["attempts"] = self._attempts
            if self._waits:
                made["waits"] = self._waits
            made["waited"] = _seconds(self._waited)
        if self.local_reply is not None:
            made["verdict"] = self.local_reply.name
        return made

    # What is overridden only to take a note of it.

    def responded(self, status: int, now: float, headers: Headers | None = None) -> bool:
        if self.state is ATTEMPTING:
            self._came_to(f"status {status}", now)
        denied = self._denied()
        passed = super().responded(status, now, headers)
        if passed and self.pool is not None and status in self.pool.retry_statuses:
            self._attempts[-1]["no_retry"] = self._why_no_retry(denied, sent=True)
        return passed

    def answered(self, response: HttpResponse, now: float) -> None:
        self._came_to(f"status {response.status}", now)
        super().answered(response, now)

    def failed(self, local_reply: LocalReply, now: float, *, sent: bool = True) -> None:
        self._came_to(local_reply.text, now)
        denied = self._denied()
        number = self.attempts
        super().failed(local_reply, now, sent=sent)
        if self.state is ENDED and self._attempts and number == self.attempts:
            self._attempts[-1]["no_retry"] = self._why_no_retry(denied, sent=sent)

    def cancelled(self, now: float) -> None:
        self._came_to("given up", now)
        super().cancelled(now)

    def refuse(self, local_reply: LocalReply, headers: Headers | None = None) -> None:
        # A limit that is exceeded refuses in the instant in which the exchange is opened.
        self._note_limits(None, self.opened_at)
        super().refuse(local_reply, headers)

    def reply(self, response: HttpResponse) -> None:
        self._note_limits(None, self.opened_at)
        super().reply(response)

    def select(self, pool: Pool, now: float) -> None:
        self._note_limits(pool, now)
        self._consider(pool, now, ())
        super().select(pool, now)

    def take_place(self, now: float) -> bool:
        assert self.pool is not None
        self._consider(self.pool, now, self.tried)
        return super().take_place(now)

    def _try_again(self, now: float, *, sent: bool) -> bool:
        assert self.pool is not None and self.backend is not None
        self._consider(self.pool, now, (*self.tried, self.backend))
        goes_on = super()._try_again(now, sent=sent)
        if goes_on and self.state is BACKING_OFF:
            self._wait("the time before another attempt", now)
        return goes_on

    def _resume(self, pool: Pool, now: float) -> None:
        self._stop_waiting(now)
        self._consider(pool, now, self.tried)
        super()._resume(pool, now)

    def _queue_up(self, pool: Pool, now: float) -> None:
        super()._queue_up(pool, now)
        if self.state is QUEUED:
            self._wait("every backend that could be used is full", now)
        else:
            self._waits.append({"for": "no backend could be used", **self._considered})

    def _begin(self, backend: Backend, now: float) -> None:
        self._stop_waiting(now)
        note: Facts = {"at": _seconds(now), **self._considered, "picked": backend.name}
        if self.pinned is backend:
            assert self.pool is not None and self.pool.affinity is not None
            note["because"] = f"the client's session, cookie {self.pool.affinity.cookie}"
            note.pop("selector", None)
        elif not backend.eligible:
            note["because"] = f"all of the tier in use were tried: tier {backend.tier} stands in"
            note.pop("selector", None)
        self._attempts.append(note)
        super()._begin(backend, now)

    def _end(self, now: float) -> None:
        self._stop_waiting(now)
        super()._end(now)

    # The notes.

    def _route(self) -> Facts:
        from l7proxy.core.routing.explain import explain

        assert self.target is not None
        refusal = self.local_reply
        if self.route is None and refusal is not None and refusal.name == BAD_REQUEST.name:
            return {"refused": refusal.text}
        found = explain(self._proxy.router, self.request, self.target)
        made: Facts = {}
        if found.winner is not None:
            made["name"] = str(found.winner)
            made["pattern"] = found.winner.pattern
        if self.rewritten_path is not None:
            made["rewritten_path"] = self.rewritten_path
        if found.lost:
            made["others"] = [
                {"name": str(route), "pattern": route.pattern, "lost": why}
                for route, why in found.lost
            ]
        return made

    def _consider(self, pool: Pool, now: float, avoid: Collection[Backend]) -> None:
        """Notes what the pool looks like before one of its backends is chosen."""
        self._considered = {
            "backends": {b.name: _looks(pool, b, avoid) for b in pool.backends},
        }
        selector = pool.selector.explain(self.request, avoid)
        if selector:
            self._considered["selector"] = _plain(selector)

    def _came_to(self, outcome: str, now: float) -> None:
        if self._attempts and "outcome" not in self._attempts[-1]:
            self._attempts[-1]["outcome"] = outcome
            self._attempts[-1]["seconds"] = _seconds(now - self.attempt_at)

    def _wait(self, what_for: str, now: float) -> None:
        self._since = now
        self._waits.append({"for": what_for})

    def _stop_waiting(self, now: float) -> None:
        if self._since is not None:
            self._waits[-1]["seconds"] = _seconds(now - self._since)
            self._waited += now - self._since
            self._since = None

    def _note_limits(self, pool: Pool | None, now: float) -> None:
        limits = self._proxy.limits
        if limits is None or self.route is None or self._limits is not None:
            return
        name = self.route.pool_name if pool is None else pool.name
        self._limits = limits.consulted(self.request, self.route, name, now)

    def _denied(self) -> int:
        return 0 if self.pool is None else self.pool.retry.denied

    def _why_no_retry(self, denied: int, *, sent: bool) -> str:
        assert self.pool is not None
        if not self.repeatable:
            return "its body has passed and was not kept"
        if not self.pool.retry.allows(self.request.method, self.attempts, sent=sent):
            once_more = self.pool.retry.allows("GET", self.attempts, sent=False)
            return "the method is not idempotent" if once_more else "no attempts are left"
        if self.pool.retry.denied > denied:
            return "the retry budget is used up"
        return "no other backend could be used in time"


def _looks(pool: Pool, backend: Backend, avoid: Collection[Backend]) -> Facts:
    """A backend's state, and why it can't be picked, if it can't."""
    looks: Facts = {
        "state": ",".join(backend.why_not()) or "up",
        "weight": backend.weight,
        "in_flight": backend.in_flight,
        "eligible": backend.eligible and backend not in avoid,
    }
    if backend in avoid:
        looks["because"] = "this request was tried on it before"
    elif not backend.eligible:
        reasons = [REASONS[name] for name in backend.why_not()]
        looks["because"] = ", ".join(reasons) or f"tier {backend.tier} is not in use"
    elif backend.flags & HEALTH_FLAGS:
        looks["because"] = "the pool is in panic: health is not listened to"
    return looks


REASONS = {
    "full": "it has as many requests as it may have",
    "down": "its health checks fail",
    "ejected": "it was ejected for failing",
    "broken": "its circuit is open, or all its probes are out",
    "drain": "it is draining",
    "maint": "it is in maintenance",
    "removed": "it was removed",
}
"""What an explanation says of a backend that can't be picked, by the name of each flag it has."""


def _plain(facts: Any) -> Any:
    """The facts with their numbers short enough to be read."""
    if isinstance(facts, float):
        return int(facts) if facts.is_integer() else round(facts, 9)
    if hasattr(facts, "items"):
        return {key: _plain(value) for key, value in facts.items()}
    return facts


def _seconds(value: float) -> float | int:
    """To the nanosecond, whole where it is."""
    shown = round(value, 9)
    return int(shown) if shown == int(shown) else shown
