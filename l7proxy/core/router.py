"""Which route a request takes: exact paths first, then the longest prefix of whole segments.

Routes are compiled once, when the configuration is loaded. A match is a few dictionary look-ups,
one for the exact path and one for every segment of the request's path, however many routes there
are.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.core.config import RouteConfig
    from l7proxy.core.target import Target


class Route:
    """A compiled route; `index` is its place in the configuration."""

    __slots__ = ("config", "index", "pool_name")

    def __init__(self, index: int, config: RouteConfig) -> None:
        self.index = index
        self.config = config
        self.pool_name = config.backend_pool

    @property
    def pattern(self) -> str:
        """The path or pattern, as written."""
        return self.config.path_pattern or self.config.path or "/*"

    def __repr__(self) -> str:
        return f"Route({self.index}: {self.pattern} -> {self.pool_name})"


class Router:
    """Finds the most specific route: exact, then longest prefix, then first in the file."""

    def __init__(self, routes: Sequence[RouteConfig]) -> None:
        self.routes = tuple(Route(index, config) for index, config in enumerate(routes))
        self._exact: dict[str, Route] = {}
        self._prefixes: dict[str, Route] = {}
        for route in self.routes:
            pattern = route.pattern
            if route.config.path is None and pattern.endswith("/*"):
                self._prefixes.setdefault(pattern[:-2], route)
            else:
                self._exact.setdefault(pattern, route)

    def match(self, target: Target) -> Route | None:
        """The route that the target takes, or None."""
        path = target.path
        route = self._exact.get(path)
        if route is not None:
            return route
        prefixes = self._prefixes
        end = len(path)
        while end >= 0:
            route = prefixes.get(path[:end])
            if route is not None:
                return route
            end = path.rfind("/", 0, end)
        return None
