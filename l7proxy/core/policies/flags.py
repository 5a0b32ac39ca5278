"""The reasons why a backend should get no request: bits, of which several may be set at once."""

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
