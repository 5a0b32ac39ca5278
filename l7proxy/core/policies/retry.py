"""Retries: whether a failed attempt may be followed by another, and after what time."""

from __future__ import annotations

from l7proxy.core.config.policies import IDEMPOTENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random

    from l7proxy.core.config.policies import RetryConfig
    from l7proxy.core.exchange import Exchange


class RetryPolicy:
    """Decides by how far the request got, by its method, and by how many retries there are.

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
        """Requests on the budget: they were sent more than once, or are about to be."""
        self.pausing: set[Exchange] = set()
        """Requests between two attempts."""
        self.denied = 0
        """The number of retries that the budget did not allow."""

    def allows(self, method: str, attempts: int, *, sent: bool) -> bool:
        """Returns whether a request may be tried again after `attempts` attempts, budget aside."""
        return attempts < self._config.attempts and (not sent or method in IDEMPOTENT)

    def affords(self, exchange: Exchange, requests: int) -> bool:
        """Returns whether the budget has room for the exchange, one of `requests` in flight."""
        if exchange in self.counted:
            return True
        if len(self.counted) < max(self._config.budget_min, self._config.budget * requests):
            return True
        self.denied += 1
        return False

    def forget(self, exchange: Exchange) -> None:
        """Forgets an exchange that has ended."""
        self.counted.discard(exchange)
        self.pausing.discard(exchange)

    def backoff(self, attempts: int) -> float:
        """Returns the seconds to wait after `attempts` attempts, at random below a doubling limit.

        "Full jitter", after M. Brooker, "Exponential Backoff and Jitter" (AWS, 2015).
        """
        if not self._config.backoff:
            return 0.0
        limit = self._config.backoff * 2.0 ** (attempts - 1)
        return self._random.random() * min(limit, self._config.backoff_max)
