"""When a failed attempt may be followed by another."""

from __future__ import annotations

from l7proxy.core.config.policies import IDEMPOTENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.config.policies import RetryConfig


class RetryPolicy:
    """Decides by what was sent, what the method promises and how often it was tried.

    Where nothing reached a backend, any method may be tried elsewhere; otherwise only methods
    that may be repeated without harm (RFC 9110, 9.2.2).
    """

    def __init__(self, config: RetryConfig) -> None:
        self.attempts = config.attempts
        self.statuses = frozenset(config.retry_on)

    def allows(self, method: str, attempts: int, *, sent: bool) -> bool:
        """Whether a request may be tried again after `attempts` attempts."""
        return attempts < self.attempts and (not sent or method in IDEMPOTENT)
