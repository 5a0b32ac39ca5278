"""A lane: requests that differ in nothing that matters, decided as one.

Where nothing in a route or pool depends on more of a request than can be looked up beforehand, all
that is left to decide for the next such request is whether its limits have room and whose turn it
is. Taking it through the lane is then the same, decision for decision and count for count, as
opening an `Exchange` whose first attempt is answered at once: the in-flight count would go up and
down within one instant, so nobody could see it.
"""

from __future__ import annotations

from l7proxy.core.target import Target, plain_path
from l7proxy.core.verdict import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from l7proxy.core.backend import Backend
    from l7proxy.core.messages import HttpRequest
    from l7proxy.core.rate_limit import Turnstile
    from l7proxy.core.routing import Route, Router


class Lane:
    """The way that a kind of request takes, as long as its proxy is in force.

    `minds_path` is whether it is for one path only, or else for all that have the same route.
    """

    __slots__ = ("_turn", "minds_path")

    def __init__(self, turn: Callable[[], Backend | None], *, minds_path: bool = False) -> None:
        self._turn = turn
        self.minds_path = minds_path

    def take(self, now: float) -> Backend | None:
        """The backend that answers the next request; None where its exchange has to be opened.

        Where it is None, nothing has been counted.
        """
        backend = self._turn()
        if backend is not None:
            backend.total += 1
        return backend


class GuardedLane(Lane):
    """A lane with limits to keep, or for clients that have their backend already.

    `turn_at(now)` is whose turn it is; `turnstiles` are those of the limits that a request counts
    against.
    """

    __slots__ = ("_turn_at", "_turnstiles")

    def __init__(
        self,
        turn_at: Callable[[float], Backend | None],
        turnstiles: Sequence[Turnstile],
        *,
        minds_path: bool = False,
    ) -> None:
        self._turn_at = turn_at
        self._turnstiles = turnstiles
        self.minds_path = minds_path

    def take(self, now: float) -> Backend | None:
        """As `Lane.take`."""
        passed = 0
        for turnstile in self._turnstiles:
            if not turnstile.admit(now):
                break
            passed += 1
        else:
            backend = self._turn_at(now)
            if backend is not None:
                backend.total += 1
                return backend
        for turnstile in self._turnstiles[:passed]:
            turnstile.take_back()
        return None


class Lanes:
    """The lanes of requests that are like `request` in all but their path, by their route."""

    __slots__ = ("_by_route", "_request", "_router")

    def __init__(self, router: Router, request: HttpRequest) -> None:
        self._router = router
        self._request = request
        self._by_route: dict[Route, Lane] = {}

    def add(self, route: Route, lane: Lane) -> None:
        """Requests of this kind that take the route have this lane, which does not mind paths."""
        self._by_route[route] = lane

    def forget(self) -> None:
        """No lane is known any more."""
        self._by_route.clear()

    def find(self, target: str) -> tuple[Lane, Route, str | None] | None:
        """For a request for `target` its lane, its route, and the path that the route rewrites.

        None where its lane is not known, or takes a closer look.
        """
        path = plain_path(target)
        if path is None:
            return None
        request, asked = self._request, Target(None, path, None)
        try:
            route = self._router.match(request, asked)
            if route is None or route not in self._by_route:
                return None
            rewritten, _ = route.rewritten(request, asked)
        except Refused:
            return None
        return self._by_route[route], route, rewritten
