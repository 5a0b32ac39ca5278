"""A backend's state: what it is doing, and what speaks against giving it a request."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from l7proxy.core.config import BackendConfig

FULL = 1
"""It has as many requests as it may have at once."""
DOWN = 2
"""Its health checks fail."""
EJECTED = 4
"""Its answers to real requests failed too often."""
BROKEN = 8
"""Its circuit breaker is open, or half-open with all probes out."""
DRAINING = 16
"""It finishes what it has and gets nothing new."""
MAINTENANCE = 32
"""A person took it out."""
REMOVED = 64
"""It is no longer in the configuration and leaves when it is idle."""

HEALTH_FLAGS = DOWN | EJECTED | BROKEN
"""The flags that are opinions about health, which a pool in panic does not listen to."""

ADMIN_FLAGS = DRAINING | MAINTENANCE | REMOVED
"""The flags that somebody put up on purpose."""

FLAG_NAMES = {
    FULL: "full",
    DOWN: "down",
    EJECTED: "ejected",
    BROKEN: "broken",
    DRAINING: "drain",
    MAINTENANCE: "maint",
    REMOVED: "removed",
}


class Backend:
    """One backend in a pool.

    `flags` is the set of reasons, as bits, why it should get no request; its pool keeps
    `eligible` in step with them. `weight` is the weight in force, which is below `full_weight`
    while the backend is starting slowly. Lower tiers are used before higher ones.
    """

    __slots__ = (
        "address",
        "config",
        "eligible",
        "failures",
        "flags",
        "full_weight",
        "in_flight",
        "index",
        "name",
        "tier",
        "total",
        "weight",
    )

    def __init__(self, index: int, name: str, config: BackendConfig) -> None:
        self.index = index
        self.name = name
        self.config = config
        self.address = config.address
        self.weight: float = config.weight
        self.full_weight: float = config.weight
        self.tier = config.tier
        self.in_flight = 0
        self.total = 0
        """Attempts it was given."""
        self.failures = 0
        """Attempts without a response, with one of status 500 or more, or one that broke off."""
        self.flags = 0
        self.eligible = True

    def why_not(self) -> Iterator[str]:
        """The names of the flags that are up."""
        return (name for flag, name in FLAG_NAMES.items() if self.flags & flag)

    def __repr__(self) -> str:
        return f"Backend({self.name})"
