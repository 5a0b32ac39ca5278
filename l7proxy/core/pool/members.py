"""Which of a pool's backends may be given a request now."""

from __future__ import annotations

from bisect import bisect_left
from heapq import heappop, heappush, merge

from l7proxy.core.flags import ADMIN_FLAGS, FULL, HEALTH_FLAGS
from l7proxy.core.pool.backend import Backend
from l7proxy.core.selectors.base import position

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from l7proxy.core.config import BackendConfig
    from l7proxy.core.selectors import Selector

_EVERY_FLAG = ~0


class TierCount:
    """Counts backends by tier; knows how many there are and the lowest tier with any."""

    __slots__ = ("_counts", "_tiers", "total")

    def __init__(self) -> None:
        self.total = 0
        self._counts: dict[int, int] = {}
        self._tiers: list[int] = []
        """A heap of the tiers in `_counts`."""

    def add(self, tier: int, count: int) -> None:
        """Counts so many backends of the tier more."""
        self.total += count
        if tier not in self._counts:
            self._counts[tier] = 0
            heappush(self._tiers, tier)
        self._counts[tier] += count

    def lowest(self) -> int:
        """Returns the lowest tier that has a backend; 0 where none has."""
        tiers, counts = self._tiers, self._counts
        while tiers and not counts[tiers[0]]:
            del counts[heappop(tiers)]
        return tiers[0] if tiers else 0


class Members:
    """Keeps each backend's eligibility in step with its flags, and tells the selector.

    A backend is eligible when it is in the tier in use (the lowest with a backend to use) and no
    flag is set against it. Below the panic threshold, a share of the backends that nobody took
    out, the flags that are opinions about health are not heeded (Envoy's panic mode).
    """

    def __init__(
        self, configs: Iterable[tuple[str, BackendConfig]], panic_threshold: float
    ) -> None:
        """`configs` are the names and settings of the backends, in the order that breaks ties."""
        self.backends = [Backend(index, *named) for index, named in enumerate(configs)]
        self.by_name = {backend.name: backend for backend in self.backends}
        self.selector: Selector
        self.log: Callable[[float, str], None]
        self._panic_threshold = panic_threshold
        self._heeded = _EVERY_FLAG
        self._tier = min(backend.tier for backend in self.backends)
        self._next_index = len(self.backends)
        self._by_tier: dict[int, dict[Backend, None]] = {}
        """The backends of each tier, in their order."""
        self._enabled = TierCount()
        """Those that nobody took out."""
        self._healthy = TierCount()
        """Those of them whose health nothing speaks against."""
        self._busy: set[Backend] = set()
        for backend in self.backends:
            backend.eligible = backend.tier == self._tier
            self._by_tier.setdefault(backend.tier, {})[backend] = None
            self._count(backend, 1)

    @property
    def in_panic(self) -> bool:
        """Whether too few backends are healthy, so that health is not heeded."""
        return self._heeded != _EVERY_FLAG

    @property
    def some_are_busy(self) -> bool:
        """Whether any backend could be used, were it not full."""
        return bool(self._busy)

    def set_flags(self, backend: Backend, flags: int, now: float) -> bool:
        """Puts flags in force; whether more has changed than that the backend is full or not."""
        changed = backend.flags ^ flags
        if changed == FULL:
            backend.flags = flags
            self._reconsider(backend)
            return False
        if changed:
            self._count(backend, -1)
            backend.flags = flags
            self._count(backend, 1)
            self.consider(backend, now)
        return bool(changed)

    def survey(self, now: float) -> None:
        """Looks at every backend anew: flags have changed without `set_flags`."""
        self._enabled, self._healthy = TierCount(), TierCount()
        for backend in self.backends:
            self._count(backend, 1)
        self._find_tier(now)
        for backend in self.backends:
            self._reconsider(backend)

    def consider(self, backend: Backend, now: float) -> None:
        """Finds out who is eligible after a change of one backend: as a rule only that one."""
        before = self._tier
        if not self._find_tier(now):
            self._reconsider(backend)
            return
        tiers = [self._by_tier.get(tier, {}) for tier in {before, self._tier}]
        for other in merge(*tiers, key=position):
            self._reconsider(other)

    def _count(self, backend: Backend, by: int) -> None:
        if not backend.flags & ADMIN_FLAGS:
            self._enabled.add(backend.tier, by)
            if not backend.flags & HEALTH_FLAGS:
                self._healthy.add(backend.tier, by)

    def _find_tier(self, now: float) -> bool:
        """Finds out whether the pool is in panic and which tier is in use: did either change?"""
        tier, was_in_panic = self._tier, self.in_panic
        panic = self._healthy.total < self._panic_threshold * self._enabled.total
        if panic is not was_in_panic:
            self._heeded = ~HEALTH_FLAGS if panic else _EVERY_FLAG
            self.log(now, "panic: too few are healthy, all are used" if panic else "panic is over")
        self._tier = (self._enabled if panic else self._healthy).lowest()
        return panic is not was_in_panic or tier != self._tier

    def inherit_panic(self, before: Members) -> None:
        """Starts out in panic, or not, as `before` is: that is no news, and not logged."""
        self._heeded = before._heeded

    def spare(self, avoid: Collection[Backend]) -> Backend | None:
        """The least busy backend of a higher tier; of equals the first.

        None while the tier in use has a full one to wait for.
        """
        if len(self._by_tier) == 1 or any(backend not in avoid for backend in self._busy):
            return None
        spare = [
            backend
            for backend in self.backends
            if backend.tier > self._tier
            and not backend.flags & self._heeded
            and backend.weight > 0
            and backend not in avoid
        ]
        return min(spare, key=_need, default=None)

    def add(self, name: str, config: BackendConfig) -> Backend:
        """Adds a backend that is not eligible before it is considered."""
        backend = Backend(self._next_index, name, config)
        backend.eligible = False
        self._next_index += 1
        self.backends.append(backend)
        self.by_name[name] = backend
        self._by_tier.setdefault(backend.tier, {})[backend] = None
        self._count(backend, 1)
        return backend

    def forget(self, backend: Backend) -> None:
        """Drops a backend that was removed and has nothing in flight any more."""
        del self.backends[bisect_left(self.backends, backend.index, key=position)]
        peers = self._by_tier[backend.tier]
        del peers[backend]
        if not peers:
            del self._by_tier[backend.tier]
        self._busy.discard(backend)
        if self.by_name.get(backend.name) is backend:
            del self.by_name[backend.name]
        self.selector.forgotten(backend)

    def shown_name(self, backend: Backend) -> str:
        """Its name; with a number where a new backend has that name and this one is leaving."""
        known = self.by_name.get(backend.name)
        return backend.name if known is backend else f"{backend.name}#{backend.index}"

    def _reconsider(self, backend: Backend) -> None:
        flags = backend.flags & self._heeded if backend.tier == self._tier else _EVERY_FLAG
        if flags == FULL:
            self._busy.add(backend)
        else:
            self._busy.discard(backend)
        eligible = not flags
        if eligible is backend.eligible:
            return
        backend.eligible = eligible
        if eligible:
            self.selector.joined(backend)
        else:
            self.selector.left(backend)


def _need(backend: Backend) -> tuple[int, float]:
    """The smaller, the sooner a spare backend is used."""
    return backend.tier, (backend.in_flight + 1) / backend.weight
