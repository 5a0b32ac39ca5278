"""When a failed attempt may be followed by another, and how long to wait before it."""

from __future__ import annotations

from l7proxy.core.config.policies import IDEMPOTENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random

    from l7proxy.core.config.policies import RetryConfig
    from l7proxy.core.exchange import Exchange


class RetryPolicy:
    """Decides by what was sent, what the method promises, and how much retrying goes on.

    Where nothing reached a backend, any method may be tried elsewhere; otherwise only methods
    that may be repeated without harm (RFC 9110, 9.2.2). The budget keeps retries from adding
    much to the load of a pool that is failing: those in flight are at most a share of the
    requests in flight (Envoy's retry budgets, Finagle's before them). Where nothing was sent a
    retry adds nothing: the backend that it goes to is the first to have the request.
    """

    def __init__(self, config: RetryConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self.statuses = frozenset(config.retry_on)
        self.counted: set[Exchange] = set()
        """Requests that were sent more than once, or are about to be: those on the budget."""
        self.pausing: set[Exchange] = set()
        """Requests between two attempts."""
        self.denied = 0
        """Retries that the budget did not allow."""

    def allows(self, method: str, attempts: int, *, sent: bool) -> bool:
        """Whether a request may be tried again after `attempts` attempts, budget aside."""
        return attempts < self._config.attempts and (not sent or method in IDEMPOTENT)

    def affords(self, exchange: Exchange, requests: int) -> bool:
        """Whether the budget has room for the exchange, one of `requests` that are in flight."""
        if exchange in self.counted:
            return True
        if len(self.counted) < max(self._config.budget_min, self._config.budget * requests):
            return True
        self.denied += 1
        return False

    def forget(self, exchange: Exchange) -> None:
        """The exchange has ended."""
        self.counted.discard(exchange)
        self.pausing.discard(exchange)

    def backoff(self, attempts: int) -> float:
        """Seconds to wait after `attempts` attempts: a random part of a doubling limit.

        "Full jitter", after M. Brooker, "Exponential Backoff and Jitter" (AWS, 2015).
        """
        if not self._config.backoff:
            return 0.0
        limit = self._config.backoff * 2.0 ** (attempts - 1)
        return self._random.random() * min(limit, self._config.backoff_max)
