"""Which routes of which configurations the tests of a configuration have reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.routing.conditions import conditions_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.routing import Route


class Coverage:
    """Collects which routes were reached, from the nodes that are tested."""

    def __init__(self) -> None:
        self._routes: dict[str, list[str]] = {}
        """The names of each configuration's routes, in its order."""
        self._reached: dict[str, set[int]] = {}

    def listener(self, source: str) -> tuple[Callable[[Exchange], None], Callable[[Proxy], None]]:
        """Returns what a node is to call for each exchange and for each proxy it puts to work.

        `source` names the configuration that the node starts with.
        """
        reached = self._reached.setdefault(source, set())
        routes: list[Route] = []

        def seen(exchange: Exchange) -> None:
            route = exchange.route
            if route is not None and route.index < len(routes) and routes[route.index] is route:
                reached.add(route.index)

        def configured(proxy: Proxy) -> None:
            # Only the first one: a configuration that a conversation brings along is not tested.
            if not routes:
                routes.extend(proxy.router.routes)
                self._routes[source] = [_described(route) for route in routes]

        return seen, configured

    def missed(self) -> list[tuple[str, str]]:
        """Returns the routes that nothing reached, each with its configuration."""
        return [
            (source, name)
            for source, routes in self._routes.items()
            for index, name in enumerate(routes)
            if index not in self._reached[source]
        ]

    @property
    def percent(self) -> float:
        """How many of all routes were reached, from 0 to 100."""
        total = sum(map(len, self._routes.values()))
        return 100 * sum(map(len, self._reached.values())) / total if total else 100.0

    def as_text(self) -> str:
        """Returns the coverage, and what is missing, for people."""
        total = sum(map(len, self._routes.values()))
        missed = self.missed()
        lines = [f"routes reached: {total - len(missed)} of {total} ({self.percent:.0f} %)"]
        lines += [f"  {source}: {name} was not reached" for source, name in missed]
        return "\n".join(lines) + "\n"


def _described(route: Route) -> str:
    """Returns the route's name and its conditions, because several may be for the same path."""
    asks = "; ".join(map(str, conditions_of(route.config)))
    return f"{route} ({asks})" if asks else str(route)
