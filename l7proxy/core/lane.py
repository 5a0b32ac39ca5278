"""A lane: requests that differ in nothing that matters, decided as one.

Where nothing in a route or pool depends on more of a request than can be looked up beforehand, all
that is left to decide for the next such request is whether its limits have room and whose turn it
is. Taking it through the lane is then the same, decision for decision and count for count, as
opening an `Exchange` whose first attempt is answered at once: the in-flight count would go up and
down within one instant, so nobody could see it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from l7proxy.core.affinity import Affinity
    from l7proxy.core.backend import Backend
    from l7proxy.core.messages import HttpRequest
    from l7proxy.core.rate_limit import Limit


class Lane:
    """The way that a kind of request takes, as long as its proxy is in force."""

    __slots__ = ("_turn",)

    def __init__(self, turn: Callable[[], Backend | None]) -> None:
        self._turn = turn

    def take(self, now: float) -> Backend | None:
        """The backend that answers the next request; None where its exchange has to be opened.

        Where it is None, nothing has been counted.
        """
        backend = self._turn()
        if backend is not None:
            backend.total += 1
        return backend


class GuardedLane(Lane):
    """A lane with limits to keep, or for a client that has its backend already."""

    __slots__ = ("_affinity", "_claims", "_request")

    def __init__(
        self,
        turn: Callable[[], Backend | None],
        claims: Sequence[tuple[Limit, str]],
        affinity: Affinity | None,
        request: HttpRequest,
    ) -> None:
        super().__init__(turn)
        self._claims = claims
        self._affinity = affinity
        self._request = request

    def take(self, now: float) -> Backend | None:
        for limit, key in self._claims:
            if limit.buckets.wait(key, now) > 0:
                return None
        if self._affinity is None:
            backend = self._turn()
        else:
            backend = self._affinity.find(self._request, now)
            if backend is not None and not backend.eligible:
                return None
        if backend is not None:
            for limit, key in self._claims:
                limit.buckets.take(key, now)
                limit.admitted += 1
            backend.total += 1
        return backend
