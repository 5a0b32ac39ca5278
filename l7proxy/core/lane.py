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

    from l7proxy.core.backend import Backend
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


class GuardedLane:
    """A lane with limits to keep, or for clients that have their backend already.

    `turn(now)` is whose turn it is; `claims` are the limits that a request counts against, each
    with its key.
    """

    __slots__ = ("_claims", "_turn")

    def __init__(
        self, turn: Callable[[float], Backend | None], claims: Sequence[tuple[Limit, str]]
    ) -> None:
        self._turn = turn
        self._claims = claims

    def take(self, now: float) -> Backend | None:
        """As `Lane.take`."""
        claims = self._claims
        for limit, key in claims:
            if limit.buckets.wait(key, now) > 0:
                return None
        backend = self._turn(now)
        if backend is not None:
            for limit, key in claims:
                limit.buckets.take(key, now)
                limit.admitted += 1
            backend.total += 1
        return backend
