"""Flags: the reasons why a backend should get no request, as bits. Several may be set at once."""

FULL = 1
"""It has as many requests as it may have at once."""
DOWN = 2
"""Its health checks fail."""
EJECTED = 4
"""Too many of its responses to real requests failed."""
BROKEN = 8
"""Its circuit breaker is open, or half-open with all probes out."""
DRAINING = 16
"""It finishes the requests that it has and gets no new ones."""
MAINTENANCE = 32
"""A person took it out."""
REMOVED = 64
"""It is no longer in the configuration and leaves when it is idle."""

HEALTH_FLAGS = DOWN | EJECTED | BROKEN
"""The flags that are opinions about health, which a pool in panic ignores."""

ADMIN_FLAGS = DRAINING | MAINTENANCE | REMOVED
"""The flags that a person or a new configuration set on purpose."""

FLAG_NAMES = {
    FULL: "full",
    DOWN: "down",
    EJECTED: "ejected",
    BROKEN: "broken",
    DRAINING: "drain",
    MAINTENANCE: "maint",
    REMOVED: "removed",
}
