"""The reasons for the route that was taken and against others; routes that nothing can reach."""

from __future__ import annotations

from l7proxy.core.http.target import host_of
from l7proxy.core.routing.conditions import PathIs
from l7proxy.core.routing.paths import ANY, PREFIX, REGEX, literal_start
from l7proxy.core.routing.route import ANY_HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.http.target import Target
    from l7proxy.core.routing.route import Route
    from l7proxy.core.routing.router import Router

_POINTS = (
    "its path is of a more specific kind",
    "its literal prefix is longer",
    "it has more conditions",
    "its pattern has more literal characters",
    "it comes first in the file",
)
"""The points that decide between two routes for a host, in the order of `Route.specificity`."""


class Explanation:
    """The route that won, None where none matched, and the reasons against the closest others."""

    __slots__ = ("lost", "winner")

    def __init__(self, winner: Route | None, lost: list[tuple[Route, str]]) -> None:
        self.winner = winner
        self.lost = lost


def explain(router: Router, request: HttpRequest, target: Target, most: int = 5) -> Explanation:
    """Returns the reasons for and against routes, at most so many; looks at every route.

    Raises `Refused` as `Router.match` does.
    """
    winner = router.match(request, target)
    host = host_of(request, target)
    lost: list[tuple[int, tuple[int, ...], Route, str]] = []
    for route in router.routes:
        if route is winner:
            continue
        missing = list(_unmet(route, request, target, host))
        if missing or winner is None:
            why = "; ".join(missing)
        else:
            why = f"less specific than {winner}: {_why_it_wins(winner, route, host)}"
        # A path that is not matched is further off than any single condition.
        distance = len(missing) + (not route.path.matches(target.path))
        lost.append((distance, route.specificity, route, why))
    lost.sort(key=lambda entry: entry[:2])
    return Explanation(winner, [(route, why) for _, _, route, why in lost[:most]])


def _unmet(route: Route, request: HttpRequest, target: Target, host: str) -> Iterator[str]:
    if _host_rank(route, host) is None:
        yield f"the host must be {' or '.join(route.hosts)}"
    if not route.path.matches(target.path):
        yield f"the path must match {route.path.shown}"
    for condition in route.conditions or ():
        if not isinstance(condition, PathIs) and not condition.holds(request, target):
            yield str(condition)


def _host_rank(route: Route, host: str) -> tuple[int, int] | None:
    """Returns a smaller rank the more specific the route is about the host; None of another."""
    ranks = []
    for wanted in route.hosts:
        if wanted == ANY_HOST:
            ranks.append((2, 0))
        elif wanted == host:
            ranks.append((0, 0))
        elif wanted.startswith("*.") and len(host) >= len(wanted) and host.endswith(wanted[1:]):
            ranks.append((1, -len(wanted)))
    return min(ranks, default=None)


def _why_it_wins(winner: Route, loser: Route, host: str) -> str:
    if _host_rank(winner, host) != _host_rank(loser, host):
        return "it asks for the host more exactly"
    pairs = zip(_POINTS, winner.specificity, loser.specificity, strict=True)
    return next(point for point, one, other in pairs if one != other)


def shadowed(routes: Iterable[Route]) -> list[tuple[Route, Route]]:
    """Returns the routes that no request can reach, each with one that takes all its requests.

    Only those are found that are obvious as they are written: not a route whose requests go to
    several others, nor one whose regular expression only another one covers.
    """
    same_path: dict[tuple[str, int, str], list[Route]] = {}
    routes = list(routes)
    for route in routes:
        for host in route.hosts:
            path = (host, route.path.form, route.path.literal)
            same_path.setdefault(path, []).append(route)
    found = []
    for route in routes:
        by = [
            next(
                (other for other in _rivals(route, host, same_path) if _takes_all(other, route)),
                None,
            )
            for host in route.hosts
        ]
        if by[0] is not None and None not in by:
            found.append((route, by[0]))
    return found


def _rivals(
    route: Route, host: str, same_path: dict[tuple[str, int, str], list[Route]]
) -> Iterator[Route]:
    """Yields the routes for the host that come before this one and whose path may cover its."""
    path = route.path
    looked_up = [(path.form, path.literal)]
    if path.form in (REGEX, ANY):
        looked_up.append((PREFIX, "/"))
    if path.form == REGEX:
        assert path.test is not None
        start = literal_start(path.test.pattern)
        ends = [end + 1 for end, character in enumerate(start) if character == "/" and end]
        looked_up += [(PREFIX, start[:end]) for end in ends]
    for form, literal in looked_up:
        for other in same_path.get((host, form, literal), ()):
            if other is not route and other.specificity < route.specificity:
                yield other


def _takes_all(route: Route, other: Route) -> bool:
    """Returns whether this route, which comes first, takes all requests of the other one."""
    return route.path.covers(other.path) and all(
        any(ours.covers(theirs) for theirs in other.conditions or ())
        for ours in route.conditions or ()
        if not isinstance(ours, PathIs)
    )
