"""The part of a pool's configuration that says what happens when backends are slow or fail.

All durations are in seconds. A failure is an attempt that ended without a response, or with a
status of 500 or more.
"""

from __future__ import annotations

from l7proxy.core.config.fields import TARGET
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import (
    LONGEST,
    Boolean,
    ListOf,
    Maybe,
    Number,
    count,
    seconds,
    share,
)

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be sent again (RFC 9110, 9.2.2)."""


class TimeoutsConfig(Record):
    """How long things may take until a response begins; after that comes a 504."""

    attempt: float | None = field(
        Maybe(seconds(zero=False)), "one attempt on one backend; null for no limit", default=60
    )
    request: float | None = field(
        seconds(zero=False), "all attempts and waits together", default=None
    )


class QueueConfig(Record):
    """Where requests wait while every backend has as many as it may have at once."""

    size: int = field(
        count(0), "requests that may wait; the next one is answered 503", default=1024
    )
    timeout: float = field(seconds(), "how long one may wait; after that, 503", default=10)


class RetryConfig(Record):
    """When a failed attempt is followed by another, on a backend not tried before.

    A failed connect may be retried for any method; anything else only for idempotent methods
    and before the first byte of a response.
    """

    attempts: int = field(count(1, 100), "attempts in all, the first included", default=3)
    retry_on: tuple[int, ...] = field(
        ListOf(count(400, 599)), "statuses that are tried again elsewhere", default=()
    )
    budget: float = field(
        share(),
        "retries in flight, as a share of the pool's requests in flight; a failed connect is free",
        default=0.2,
    )
    budget_min: int = field(
        count(0), "retries that may be in flight however little traffic there is", default=3
    )
    backoff: float = field(
        seconds(), "longest wait before the first retry, doubled for each further one", default=0
    )
    backoff_max: float = field(seconds(), "longest wait before any retry", default=10)


class HealthConfig(Record):
    """Active checks: a request of our own, now and then, to see whether a backend is well."""

    path: str = field(TARGET, "what to ask for", default="/")
    interval: float = field(
        Number(minimum=0.001, maximum=LONGEST), "time between two checks", default=5
    )
    timeout: float = field(seconds(zero=False), "how long an answer may take", default=2)
    expect: tuple[int, ...] = field(
        ListOf(count(100, 599), min_items=1), "statuses of a healthy backend", default=(200,)
    )
    rise: int = field(count(), "good checks in a row that bring it up", default=2)
    fall: int = field(count(), "bad checks in a row that take it down", default=3)
    jitter: float = field(share(), "part of the interval by which checks are spread", default=0.1)
    initially_up: bool = field(Boolean(), "whether it is used before the first check", default=True)


class FailureRateConfig(Record):
    """A share of failures among the requests of the last while."""

    share: float = field(Number(above=0, maximum=1), "failures that are too many")
    window: float = field(seconds(zero=False), "the while that is looked at", default=10)
    min_requests: int = field(count(), "requests in it that make a judgement fair", default=20)


class EjectionConfig(Record):
    """Passive health: who fails real requests too often is left out for a time."""

    consecutive_failures: int | None = field(
        Maybe(count()), "failures in a row that eject a backend; null for never", default=5
    )
    failure_rate: FailureRateConfig | None = field(
        RecordOf(FailureRateConfig), "failures among many that eject a backend", default=None
    )
    time: float = field(
        seconds(zero=False), "first ejection; the second lasts twice as long, and so on", default=10
    )
    max_time: float = field(seconds(zero=False), "the longest ejection", default=300)
    max_share: float = field(share(), "the part of a pool that may be ejected", default=0.5)


class BreakerConfig(Record):
    """A circuit breaker for each backend: closed, open, then half-open with a few probes."""

    failures: int | None = field(
        Maybe(count()), "failures in a row that open it; null for never", default=5
    )
    failure_rate: FailureRateConfig | None = field(
        RecordOf(FailureRateConfig), "failures among many that open it", default=None
    )
    open_time: float = field(seconds(zero=False), "how long it stays open", default=5)
    probes: int = field(count(), "requests let through at once while half-open", default=1)
    successes: int = field(count(), "good probes that close it", default=2)
