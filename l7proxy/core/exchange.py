"""The life of one request, as a state machine that every shell and every upstream drives.

    open ──> ATTEMPTING ──responded──> RESPONDING ──completed──> ENDED
               │    ^                      │
               │    └── another attempt    └──failed (the response broke off)──> ENDED
               └──failed──> ATTEMPTING, or ENDED with an answer of our own
    open ──> ENDED     where there is no route, no backend, or the request is bad
    open ──> WAITING   where every backend is full; a place or the timeout ends the wait

The shell reads `state` after each event it reports: in ATTEMPTING it has an attempt on `backend`
to carry out, in ENDED it has an answer to deliver. What changes an exchange without its shell
having reported anything (a deadline, a place that became free) puts it on `Proxy.ready`.
"""

from __future__ import annotations

from l7proxy.core.messages import Headers, HttpResponse
from l7proxy.core.verdict import NO_BACKEND, TIMED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from l7proxy.core.backend import Backend
    from l7proxy.core.messages import HttpRequest
    from l7proxy.core.pool import Pool
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.router import Route
    from l7proxy.core.target import Target
    from l7proxy.core.timers import Timer
    from l7proxy.core.verdict import Verdict

WAITING = "waiting"
ATTEMPTING = "attempting"
RESPONDING = "responding"
ENDED = "ended"


class Exchange:
    """One request and what becomes of it.

    - `backend` is the one of the present attempt, or the one that answered; None where the
      proxy answers by itself without having tried any.
    - `response` is what the client gets. An upstream that has the whole response reports it with
      `answered`; one that passes bytes on reports `responded` and `completed` and leaves it None.
    - `verdict` says why, where the proxy answers by itself or a response broke off.
    - `owner` is the shell's: whatever it needs to deliver the answer.
    - `abandon`, set by an upstream that has an attempt under way, is called when the exchange
      gives that attempt up.
    """

    __slots__ = (
        "_proxy",
        "_timer",
        "abandon",
        "attempts",
        "backend",
        "opened_at",
        "owner",
        "pool",
        "request",
        "response",
        "route",
        "state",
        "target",
        "tried",
        "verdict",
    )

    def __init__(self, proxy: Proxy, request: HttpRequest, now: float) -> None:
        self._proxy = proxy
        self._timer: Timer | None = None
        self.request = request
        self.opened_at = now
        self.state = WAITING
        self.target: Target | None = None
        self.route: Route | None = None
        self.pool: Pool | None = None
        self.backend: Backend | None = None
        self.attempts = 0
        self.tried: tuple[Backend, ...] = ()
        self.response: HttpResponse | None = None
        self.verdict: Verdict | None = None
        self.owner: Any = None
        self.abandon: Callable[[], None] | None = None

    # What the shell or the upstream reports.

    def under_way(self, now: float) -> None:
        """The attempt takes time: from now on its deadlines are watched."""
        assert self.pool is not None
        due = self.pool.deadline(self.opened_at, now)
        if due is not None:
            self._timer = self._proxy.timers.schedule(due, self._overdue)

    def responded(self, status: int, now: float) -> bool:
        """A response began. True: pass it on; False: drop it, another attempt takes its place."""
        assert self.pool is not None
        if status in self.pool.retry.statuses and self._try_again(now, sent=True):
            return False
        self._forget_timer()
        self.state = RESPONDING
        return True

    def completed(self, now: float) -> None:
        """The response ended as it should."""
        self._let_go(now)
        self.state = ENDED

    def answered(self, response: HttpResponse, now: float) -> None:
        """A whole response came at once: `responded` and `completed` in one."""
        if self.responded(response.status, now):
            self.response = response
            self.completed(now)

    def failed(self, verdict: Verdict, now: float, *, sent: bool = True) -> None:
        """The attempt, or the response that had begun, broke off.

        `sent` is False where no byte of the request reached the backend.
        """
        if self.state is RESPONDING:
            self._let_go(now)
            self.verdict = verdict
            self.state = ENDED
        elif not self._try_again(now, sent=sent):
            self._let_go(now)
            self.refuse(verdict)

    def cancelled(self, now: float) -> None:
        """The client is gone, or nobody waits for the answer any more."""
        if self.state is not ENDED:
            self._give_up_attempt()
            self._let_go(now)
            self.state = ENDED

    # What the core decides.

    def refuse(self, verdict: Verdict, headers: Headers | None = None) -> None:
        """Ends the exchange with an answer of the proxy's own."""
        self._forget_timer()
        self.verdict = verdict
        self.response = HttpResponse(verdict.status, headers)
        self.state = ENDED

    def seek(self, pool: Pool, now: float) -> None:
        """Asks the pool for a backend: starts an attempt, waits for a place, or is refused."""
        self.pool = pool
        backend = pool.selector.pick(self.request, ())
        if backend is not None:
            self._begin(backend)
        elif pool.may_wait():
            pool.queue.append(self)
            self._timer = self._proxy.timers.schedule(
                pool.patience(self.opened_at, now), self._overdue
            )
        else:
            self.refuse(NO_BACKEND.because(f'pool "{pool.name}"'))

    def take_place(self, now: float) -> bool:
        """Whether the exchange is done waiting: it has a backend now, or has ended."""
        if self.state is not WAITING:
            return True
        assert self.pool is not None
        backend = self.pool.selector.pick(self.request, self.tried)
        if backend is None:
            return False
        self._forget_timer()
        self._begin(backend)
        self._proxy.ready.append(self)
        return True

    def _begin(self, backend: Backend) -> None:
        assert self.pool is not None
        self.pool.acquire(backend)
        self.backend = backend
        self.attempts += 1
        self.state = ATTEMPTING

    def _try_again(self, now: float, *, sent: bool) -> bool:
        """Starts another attempt elsewhere, if the rules and the pool have one to offer."""
        pool, backend = self.pool, self.backend
        assert pool is not None and backend is not None
        if not pool.retry.allows(self.request.method, self.attempts, sent=sent):
            return False
        another = pool.selector.pick(self.request, (*self.tried, backend))
        if another is None:
            return False
        self._forget_timer()
        self._let_go(now)
        self.tried = (*self.tried, backend)
        self._begin(another)
        return True

    def _let_go(self, now: float) -> None:
        """Gives the backend's place back: once for each `_begin`, on every way out."""
        self._forget_timer()
        self.abandon = None
        if self.state is ATTEMPTING or self.state is RESPONDING:
            assert self.pool is not None and self.backend is not None
            self.pool.release(self.backend, now)

    def _give_up_attempt(self) -> None:
        abandon, self.abandon = self.abandon, None
        if abandon is not None:
            abandon()

    def _forget_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            self._proxy.timers.cancel(timer)

    def _overdue(self, now: float) -> None:
        self._timer = None
        if self.state is WAITING:
            self.refuse(NO_BACKEND.because("waited too long for a free one"))
        else:
            self._give_up_attempt()
            self.failed(TIMED_OUT, now)
        self._proxy.ready.append(self)
