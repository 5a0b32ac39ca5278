"""The part of a pool's configuration that says what happens when backends are slow or fail."""

from __future__ import annotations

from l7proxy.core.config.spec import ListOf, Number, Record, count, field, seconds

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
"""Methods that may be sent again (RFC 9110, 9.2.2)."""


class TimeoutsConfig(Record):
    """How long things may take, in seconds, until a response begins; after that comes a 504."""

    attempt: float | None = field(seconds(zero=False), "one attempt on one backend", default=60)
    request: float | None = field(
        seconds(zero=False), "all attempts and waits together", default=None
    )


class QueueConfig(Record):
    """Where requests wait while every backend has as many as it may have at once."""

    size: int = field(
        count(0), "requests that may wait; the next one is answered 503", default=1024
    )
    timeout: float = field(seconds(), "seconds that one may wait; after that, 503", default=10)


class RetryConfig(Record):
    """When a failed attempt is followed by another, on a backend not tried before.

    A failed connect may be retried for any method; anything else only for idempotent methods
    and before the first byte of a response.
    """

    attempts: int = field(count(1, 100), "attempts in all, the first included", default=3)
    retry_on: tuple[int, ...] = field(
        ListOf(Number(minimum=400, maximum=599, whole=True)),
        "statuses that count as failures",
        default=(),
    )
