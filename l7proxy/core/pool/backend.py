"""A backend's state: what it is doing, and what speaks against giving it a request."""

from __future__ import annotations

from l7proxy.core.flags import FLAG_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from l7proxy.core.config import BackendConfig

    Weight = int | float
    """A weight that is whole stays an `int`: exact, and shown as it was written."""


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
        "max_in_flight",
        "name",
        "tier",
        "total",
        "weight",
    )

    def __init__(self, index: int, name: str, config: BackendConfig) -> None:
        self.index = index
        self.name = name
        self.config = config
        self.address = config.address or name
        self.weight: Weight = config.weight
        self.full_weight: Weight = config.weight
        self.tier = config.tier
        self.in_flight = 0
        self.max_in_flight = config.max_connections
        """The most requests that it is given at once; None where there is no limit."""
        self.total = 0
        """Attempts it was given."""
        self.failures = 0
        """Attempts without a response, with one of status 500 or more, or one that broke off."""
        self.flags = 0
        self.eligible = True

    @property
    def is_full(self) -> bool:
        """Whether it has as many requests in flight as it may have."""
        return self.max_in_flight is not None and self.in_flight >= self.max_in_flight

    def why_not(self) -> Iterator[str]:
        """The names of the flags that are set."""
        return (name for flag, name in FLAG_NAMES.items() if self.flags & flag)

    def __repr__(self) -> str:
        return f"Backend({self.name})"
