"""Which of a pool's backends may be given a request now."""

from __future__ import annotations

from l7proxy.core.flags import ADMIN_FLAGS, FULL, HEALTH_FLAGS, REMOVED
from l7proxy.core.pool.backend import Backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from l7proxy.core.config import BackendConfig
    from l7proxy.core.selectors import Selector

_EVERY_FLAG = ~0


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
        self._busy: set[Backend] = set()
        for backend in self.backends:
            backend.eligible = backend.tier == self._tier

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
        backend.flags = flags
        if changed == FULL:
            self._reconsider(backend)
            return False
        if changed:
            self.survey(now)
        return bool(changed)

    def survey(self, now: float) -> None:
        """Finds out whether the pool is in panic and which tier is in use, then who is eligible.

        It looks at every backend, which is right for what happens as seldom as a change of health;
        a backend that is merely full changes nothing but its own eligibility.
        """
        enabled = [backend for backend in self.backends if not backend.flags & ADMIN_FLAGS]
        healthy = sum(not backend.flags & HEALTH_FLAGS for backend in enabled)
        panic = healthy < self._panic_threshold * len(enabled)
        if panic is not self.in_panic:
            self._heeded = ~HEALTH_FLAGS if panic else _EVERY_FLAG
            self.log(now, "panic: too few are healthy, all are used" if panic else "panic is over")
        decisive = self._heeded & ~FULL
        self._tier = min((b.tier for b in enabled if not b.flags & decisive), default=0)
        for backend in self.backends:
            self._reconsider(backend)

    def inherit_panic(self, before: Members) -> None:
        """Starts out in panic, or not, as `before` is: that is no news, and not logged."""
        self._heeded = before._heeded

    def spare(self, avoid: Collection[Backend]) -> Backend | None:
        """The least busy backend of a higher tier; of equals the first.

        None while the tier in use has a full one to wait for.
        """
        if any(backend not in avoid for backend in self._busy):
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

    def weights(self, except_of: Backend | None = None) -> Iterator[float]:
        """The full weights of the backends that were not removed."""
        for backend in self.backends:
            if backend is not except_of and not backend.flags & REMOVED:
                yield backend.full_weight

    def add(self, name: str, config: BackendConfig) -> Backend:
        """Adds a backend that is not eligible before the next survey."""
        backend = Backend(self._next_index, name, config)
        backend.eligible = False
        self._next_index += 1
        self.backends.append(backend)
        self.by_name[name] = backend
        return backend

    def forget(self, backend: Backend) -> None:
        """Drops a backend that has nothing in flight any more."""
        self.backends.remove(backend)
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
