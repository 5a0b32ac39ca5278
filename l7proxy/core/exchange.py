"""The life of one request, as a state machine that every shell and every upstream drives.

`exchange_state` has the picture. The shell reads `state` after each event it reports: in
ATTEMPTING it has an attempt on `backend` to carry out, in ENDED it has an answer to deliver. What
changes an exchange without its shell having reported anything (a deadline, a place that became
free) puts it on `Proxy.ready`.
"""

from __future__ import annotations

from l7proxy.core.callbacks import ignore
from l7proxy.core.exchange_state import (
    ATTEMPTING,
    BACKING_OFF,
    ENDED,
    NEW,
    QUEUED,
    RESPONDING,
)
from l7proxy.core.forwarded import Forwarded
from l7proxy.core.http.local_reply import NO_BACKEND, TIMED_OUT, UPSTREAM_ERROR
from l7proxy.core.http.messages import HttpResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.http.messages import Headers, HttpRequest
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.events import Event
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.timers import DelayLine, Timer


MIRRORED = object()
"""The owner of a copy, whose answer nobody gets."""


class Exchange(Forwarded):
    """One request and what becomes of it.

    - `backend` is the one of the present attempt, or the one that answered; None where the
      proxy answers by itself without having tried any.
    - `response` is what the client gets. An upstream that has the whole response reports it with
      `answered`; one that passes bytes on reports `responded` and `completed` and leaves it None.
    - `local_reply` says why, where the proxy answers by itself or a response broke off.
    - `mirror` is the pool that gets a copy, whose answer is dropped: see `copy_with`.
    - `pinned` is the backend that the client had before, eligible or not, and `set_cookie` what
      the client is told about its session; see `core.affinity`.
    - `circuit_state` names the state of `backend`'s circuit where this exchange changed it.
    - `repeatable` is made False by an upstream when the body has passed and was not kept.
    - `owner` is the shell's: whatever it needs to deliver the answer. `dispatch` is the
      dispatcher's: it takes the exchange on after an end that was reported later.
    - `needs_start` is True where the present attempt has not been started, `is_delivered` where
      the answer has been, or will never be.
    - `on_abandon`, set by an upstream that has an attempt under way, is called when the exchange
      gives that attempt up; nothing may be reported of it after that.
    """

    __slots__ = (
        "_deadline",
        "_failure",
        "_has_failed",
        "_kept",
        "_proxy",
        "attempt_at",
        "attempts",
        "backend",
        "circuit_state",
        "dispatch",
        "is_delivered",
        "local_reply",
        "mirror",
        "needs_start",
        "on_abandon",
        "opened_at",
        "owner",
        "pinned",
        "pool",
        "repeatable",
        "response",
        "set_cookie",
        "state",
        "tried",
    )

    def __init__(
        self,
        proxy: Proxy,
        request: HttpRequest,
        now: float,
        owner: Any = None,
        dispatch: Callable[[Exchange, float], None] = ignore,
    ) -> None:
        self._proxy = proxy
        self.request = request
        self.opened_at = self.attempt_at = now
        self.state = NEW
        self.target = self.route = self.rewritten_path = self.rewritten_host = None
        self.pool: Pool | None = None
        self.mirror: Pool | None = None
        self.backend: Backend | None = None
        self.pinned: Backend | None = None
        self.attempts = 0
        self.tried: tuple[Backend, ...] = ()
        self.repeatable = True
        self.response: HttpResponse | None = None
        self.local_reply: LocalReply | None = None
        self.set_cookie: str | None = None
        self.circuit_state: str | None = None
        self.owner, self.dispatch = owner, dispatch
        self.needs_start = self.is_delivered = False
        self.on_abandon: Callable[[], None] | None = None
        self._deadline: Timer | DelayLine | None = None
        self._failure = NO_BACKEND
        self._has_failed = False
        self._kept: HttpResponse | None = None

    @property
    def decision(self) -> Mapping[str, Any] | None:
        """Why it went as it did, where that was asked for; see `core.trace`."""
        return None

    @property
    def set_cookie_header(self) -> str | None:
        """The value of the Set-Cookie field that tells an HTTP client of `set_cookie`, or None."""
        if self.set_cookie is None:
            return None
        assert self.pool is not None and self.pool.affinity is not None
        return self.pool.affinity.header(self)

    @property
    def has_deadline(self) -> bool:
        """Whether it goes on by itself at some time, whatever its backend does."""
        return self._deadline is not None

    # What the shell or the upstream reports.

    def started(self, now: float) -> None:
        """Reports that the attempt takes time: from now on its deadlines are watched."""
        assert self.pool is not None
        self._deadline = self.pool.deadlines.watch_attempt(self, now)

    def responded(self, status: int, now: float, headers: Headers | None = None) -> bool:
        """Reports that a response began. True: pass it on; False: drop it, it is not wanted.

        A pool that learns sessions (`pool.affinity`) needs the response's `headers`.
        """
        if self.state is not ATTEMPTING:
            return False
        pool = self.pool
        assert pool is not None
        if status >= 500:
            self._has_failed = True
            self._report(pool.failed, now)
        elif pool.is_observed:
            self._report(pool.succeeded, now)
        statuses = pool.retry_statuses
        if statuses and status in statuses and self._try_again(now, sent=True):
            self._failure = UPSTREAM_ERROR.with_status(status)
            self._has_failed = False
            return False
        if self._deadline is not None:
            self._forget_deadline()
        self.state = RESPONDING
        if pool.affinity is not None:
            self.set_cookie = pool.affinity.commit(self, headers, now)
        return True

    def completed(self, now: float) -> None:
        """Reports that the response ended as it should."""
        if self.state is not RESPONDING:
            return
        pool = self.pool
        assert pool is not None
        if pool.is_observed and not self._has_failed:
            self._report(pool.completed, now)
        self._end(now)

    def answered(self, response: HttpResponse, now: float) -> None:
        """Reports a whole response that came at once: `responded` and `completed` in one.

        Where another attempt takes its place, it is kept: should there be no backend for that
        attempt after all, this response is better than an error of our own.
        """
        pool, route = self.pool, self.route
        assert pool is not None and route is not None
        if pool.is_quiet and response.status < 500 and self.state is ATTEMPTING:
            # Nothing in the pool goes by what is answered: nobody to tell, and no second attempt.
            edits = route.response_headers
            self.response = response if edits is None else edits.of(self).edited(response)
            self._end(now)
        elif self.responded(response.status, now, response.headers):
            self.response = self._edited(response)
            self.completed(now)
        else:
            self._kept = response

    def failed(self, local_reply: LocalReply, now: float, *, sent: bool = True) -> None:
        """Reports that the attempt, or the response that had begun, broke off.

        `sent` is False where no byte of the request reached the backend.
        """
        pool = self.pool
        if self.state is RESPONDING:
            assert pool is not None
            if not self._has_failed:
                self._report(pool.broke_off, now)
            self._end(now)
            self.local_reply = local_reply
        elif self.state is ATTEMPTING:
            assert pool is not None
            self._report(pool.failed, now)
            self._failure = local_reply
            self._kept = None
            if not self._try_again(now, sent=sent):
                self._end(now)
                self.refuse(local_reply)

    def cancelled(self, now: float) -> None:
        """Gives the request up, for its client is gone or the proxy ends: nothing is delivered."""
        self.is_delivered = True
        if self.state is ENDED:
            return
        self._drop_attempt(now)
        self._abandon()
        self._end(now)
        self._proxy.ready.pop(self, None)

    def reject(self, local_reply: LocalReply, now: float) -> None:
        """Ends a request that can't be sent to any backend; no backend is to blame for it."""
        self._drop_attempt(now)
        self._end(now)
        self.backend = None
        self.refuse(local_reply)

    def name_circuit(self) -> None:
        """Sets `circuit_state` whether or not it changed, where there is a circuit breaker."""
        if self.pool is not None and self.pool.breaker is not None and self.backend is not None:
            self.circuit_state = self.pool.breaker.state(self.backend)

    # What the core decides.

    def refuse(self, local_reply: LocalReply, headers: Headers | None = None) -> None:
        """Gives an answer of the proxy's own to an exchange that is on no backend."""
        self.local_reply = local_reply
        self.response = HttpResponse(local_reply.status, headers)
        self.state = ENDED

    def reply(self, response: HttpResponse) -> None:
        """Answers what the route says, which no backend is needed for."""
        self.response = self._edited(response)
        self.state = ENDED

    def copy_with(self, request: HttpRequest, now: float) -> Exchange:
        """The same for another pool to answer; `request` is this one's with all of its body."""
        copy = Exchange(self._proxy, request, now, MIRRORED, self.dispatch)
        copy.target, copy.route = self.target, self.route
        copy.rewritten_path, copy.rewritten_host = self.rewritten_path, self.rewritten_host
        return copy

    def select(self, pool: Pool, now: float) -> None:
        """Asks the pool for a backend: starts an attempt, waits for a place, or is refused."""
        self.pool = pool
        backend = pool.choose(self, now)
        if backend is not None:
            self._begin(backend, now)
        else:
            self._queue_up(pool, now)

    def take_place(self, now: float) -> bool:
        """Leaves the queue for a backend; False where there is still none for it."""
        pool = self.pool
        assert pool is not None
        backend = pool.choose_anew(self, now)
        if backend is None:
            return False
        pool.queue.leave(self)
        self._forget_deadline()
        self._begin(backend, now)
        self._proxy.ready[self] = None
        return True

    def overdue(self, now: float) -> None:
        """Acts on the end of a wait: for a place, for a response, or before another attempt."""
        self._deadline = None
        pool = self.pool
        assert pool is not None
        try:
            if self.state is BACKING_OFF:
                self._resume(pool, now)
            else:
                self._time_out(pool, now)
        except Exception as error:
            self.met_bug(error)
            return
        # Otherwise the pool, or the timer of the next attempt, brings it up again.
        if self.state is not QUEUED and self.state is not BACKING_OFF:
            self._proxy.ready[self] = None

    def met_bug(self, error: Exception) -> None:
        """Has whoever looks at `Proxy.ready` end it, for a bug that nobody else is to pay for."""
        self._proxy.ready[self] = error

    def _time_out(self, pool: Pool, now: float) -> None:
        if self.state is not QUEUED:
            self._abandon()
            self.failed(TIMED_OUT, now)
        elif pool.deadlines.out_of_time(self, now):
            self._end(now)
            self.refuse(TIMED_OUT.with_detail("none was free"))
        else:
            self._give_up(NO_BACKEND.with_detail("waited too long for a free one"), now)

    def _queue_up(self, pool: Pool, now: float) -> None:
        """Waits for a place, if there may be one; else answers what went wrong."""
        if pool.may_wait():
            self.state = QUEUED
            pool.queue.join(self)
            self._deadline = pool.deadlines.watch_wait(self, now)
        else:
            self._give_up(NO_BACKEND.with_detail(f'pool "{pool.name}"'), now)

    def _edited(self, response: HttpResponse) -> HttpResponse:
        """The response with the headers that the client gets."""
        assert self.route is not None
        edits = self.route.response_headers
        return response if edits is None else edits.of(self).edited(response)

    def _give_up(self, local_reply: LocalReply, now: float) -> None:
        """No backend, or not in time: answers with what the last attempt came to, if any did."""
        self._end(now)
        if self._kept is not None:
            self.response = self._edited(self._kept)
        else:
            self.refuse(self._failure if self.tried else local_reply)

    def _begin(self, backend: Backend, now: float) -> None:
        pool = self.pool
        assert pool is not None
        self.backend = backend
        self.attempts += 1
        self.attempt_at = now
        self.circuit_state = None
        self.state = ATTEMPTING
        self.needs_start = True
        pool.acquire(backend, now)

    def _try_again(self, now: float, *, sent: bool) -> bool:
        """Goes on elsewhere, at once or after a wait, if rules, time, budget and pool allow it."""
        pool, backend = self.pool, self.backend
        assert pool is not None and backend is not None
        retry = pool.retry
        if not self.repeatable or not retry.allows(self.request.method, self.attempts, sent=sent):
            return False
        wait = retry.backoff(self.attempts)
        if pool.deadlines.out_of_time(self, now + wait):
            return False
        if sent and not retry.affords(self, pool.requests):
            return False
        tried = (*self.tried, backend)
        another = None if wait else pool.choose(self, now, tried)
        if another is None and not wait:
            return False
        if sent:
            retry.counted.add(self)
        self.tried = tried
        if another is None:
            self._pause(now)
            self._deadline = self._proxy.timers.schedule(now + wait, self.overdue)
            return True
        if self._deadline is not None:
            self._forget_deadline()
        self.on_abandon = None
        # The new place is taken before the old one is given back: those who wait for a place are
        # let in by that, and must not get the one that was picked.
        self._begin(another, now)
        pool.release(backend, now)
        return True

    def _resume(self, pool: Pool, now: float) -> None:
        """Goes on after the wait before a retry."""
        pool.retry.pausing.discard(self)
        backend = pool.choose_anew(self, now)
        if backend is not None:
            self._begin(backend, now)
        else:
            self._queue_up(pool, now)

    def _report(self, event: Event, now: float) -> None:
        """Tells the pool how the attempt went, and notes if that changed the circuit."""
        pool, backend = self.pool, self.backend
        assert pool is not None and backend is not None
        breaker = pool.breaker
        if breaker is None:
            event(backend, self.attempt_at, now)
            return
        before = breaker.state(backend)
        event(backend, self.attempt_at, now)
        if breaker.state(backend) is not before:
            self.circuit_state = breaker.state(backend)

    def _drop_attempt(self, now: float) -> None:
        """Tells the pool that the attempt, if there is one, says nothing about its backend."""
        if self.state is ATTEMPTING:
            assert self.pool is not None and self.backend is not None
            self.pool.dropped(self.backend, self.attempt_at, now)

    def _end(self, now: float) -> None:
        """Ends the exchange: what it held is given back, on every way out, exactly once."""
        pool, before = self.pool, self.state
        if self._deadline is not None:
            self._forget_deadline()
        self.on_abandon = None
        if self.tried:
            assert pool is not None
            pool.retry.forget(self)
        # The state changes first: what the release sets off must not find this one in it.
        self.state = ENDED
        if before is RESPONDING or before is ATTEMPTING:
            backend = self.backend
            assert pool is not None and backend is not None
            pool.release(backend, now)
        elif before is QUEUED:
            assert pool is not None
            pool.queue.leave(self)

    def _pause(self, now: float) -> None:
        """Gives the backend's place back for the wait before another attempt."""
        pool, backend = self.pool, self.backend
        assert pool is not None and backend is not None
        if self._deadline is not None:
            self._forget_deadline()
        self.on_abandon = None
        pool.retry.pausing.add(self)
        self.state = BACKING_OFF
        pool.release(backend, now)

    def _abandon(self) -> None:
        on_abandon, self.on_abandon = self.on_abandon, None
        if on_abandon is not None:
            on_abandon()

    def _forget_deadline(self) -> None:
        watch, self._deadline = self._deadline, None
        assert watch is not None and self.pool is not None
        self.pool.deadlines.unwatch(self, watch)
