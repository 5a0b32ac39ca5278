"""The router: finds the route that a request takes.

One rule decides between all routes that match, and the first point in which two differ decides:

1. the host: an exact one, then the longest `*.` wildcard, then any
2. the path: an exact one, then the longest literal prefix, then a regular expression, then any
3. more conditions (methods, and each header, query parameter, cookie, and client address)
4. of patterns, more literal characters after the first `*`
5. the order in the file

Routes are put in tables when the configuration is loaded. A match is a look-up for the host (where
any route asks for one), one for the exact path, and one for each segment of the path from the
longest prefix down, however many routes there are. Only routes that have the same host and the
same literal prefix are tried one after the other, and so are regular expressions.
"""

from __future__ import annotations

from collections import OrderedDict

from l7proxy.core.http.local_reply import NO_ROUTE, NOT_ALLOWED, Refused, bad_request
from l7proxy.core.http.target import USUAL_RULES, Target, host_of
from l7proxy.core.routing.paths import EXACT, PREFIX
from l7proxy.core.routing.route import ANY_HOST, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from l7proxy.core.config.routes import ActionsConfig, RouteConfig
    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.http.target import PathRules

    Entry = tuple[Route, ...]
    """Routes that are found together in a table, the most specific first."""


MOST_REMEMBERED = 10_000
"""The most spellings of hosts whose tables are remembered; anybody can make up more, so that the
oldest makes room."""
LONGEST_REMEMBERED = 255
"""Characters of the longest of them."""


OTHER_ROUTE = bad_request(
    "the path is another route's without its ;parameters",
    hint='"paths": {"parameters": "keep"} lets it pass',
)


class Router:
    """Finds the most specific route that matches.

    `routes` are all routes in the order of the file, and after them the `default`, if there is one.
    """

    def __init__(
        self,
        routes: Sequence[RouteConfig],
        default: ActionsConfig | None = None,
        rules: PathRules = USUAL_RULES,
    ) -> None:
        self.rules = rules
        compiled = [Route(index, config, rules) for index, config in enumerate(routes)]
        self.default = None if default is None else _default_route(len(routes), default, rules)
        by_host: dict[str, list[Route]] = {ANY_HOST: []}
        for route in compiled:
            for host in route.hosts:
                by_host.setdefault(host, []).append(route)
        if self.default is not None:
            compiled.append(self.default)
        self.routes = tuple(compiled)
        self._any = PathTable(by_host.pop(ANY_HOST))
        self._hosts = {host: PathTable(routes) for host, routes in by_host.items()}
        self._remembered: OrderedDict[str, tuple[PathTable, ...]] = OrderedDict()
        self._longest_wildcard = max(
            (len(host) for host in by_host if host.startswith("*.")), default=0
        )

    def match(self, request: HttpRequest, target: Target) -> Route | None:
        """Returns the route that the request takes, or None.

        Raises `Refused` where routes ask for the host and the request's Host header is bad, and
        where a backend may read the path as another route's.
        """
        if target.bare_path is not None:
            return self._match_both(request, target, target.bare_path)
        if self._hosts:
            for table in self._tables(request, target):
                route = table.find(request, target)
                if route is not None:
                    return route
        route = self._any.find(request, target)
        return self.default if route is None else route

    def _match_both(self, request: HttpRequest, target: Target, bare_path: str) -> Route | None:
        """Returns the route for the path, which must be that of its `bare_path`, too.

        A route that has parameters in its own path means them.
        """
        found = []
        for path in (target.path, bare_path):
            asked = Target()
            asked.path, asked.query = path, target.query
            asked.host, asked.authority = target.host, target.authority
            found.append(self.match(request, asked))
        route, other = found
        if route is None or route is other or ";" in route.pattern:
            return route
        raise Refused(OTHER_ROUTE)

    def refusal(self, request: HttpRequest, target: Target) -> tuple[LocalReply, str | None]:
        """Returns the answer where no route matches, and the value of Allow.

        It is a 405 where only the method is wrong; else a 404, without Allow.
        """
        allowed: dict[str, None] = {}
        tables = [self._any]
        if self._hosts:
            tables[:0] = self._tables(request, target)
        for table in tables:
            for route in table.candidates(target.path):
                failed = [
                    condition
                    for condition in route.conditions or ()
                    if not condition.holds(request, target)
                ]
                if len(failed) == 1:
                    allowed.update(dict.fromkeys(failed[0].allows))
        if allowed:
            return NOT_ALLOWED.with_detail(request.method), ", ".join(allowed)
        return NO_ROUTE.with_detail(target.path), None

    def _tables(self, request: HttpRequest, target: Target) -> tuple[PathTable, ...]:
        """Returns the tables for the request's host; they are remembered by its spelling."""
        written = target.authority
        if written is None:
            lines = request.headers.all("host")
            written = lines[0] if len(lines) == 1 else ""
        tables = self._remembered.get(written)
        if tables is None:
            tables = tuple(self._tables_of(host_of(request, target)))
            if written and len(written) <= LONGEST_REMEMBERED:
                if len(self._remembered) >= MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
                self._remembered[written] = tables
        return tables

    def _tables_of(self, host: str) -> Iterator[PathTable]:
        """Yields the tables for a host: its own, then those of wildcards, the longest first."""
        hosts = self._hosts
        table = hosts.get(host)
        if table is not None:
            yield table
        longest = self._longest_wildcard
        if longest:
            # No wildcard is longer. To look for more takes time by the square of the host.
            dot = host.find(".", max(1, len(host) - longest + 1))
            while dot >= 0:
                table = hosts.get("*" + host[dot:])
                if table is not None:
                    yield table
                dot = host.find(".", dot + 1)


class PathTable:
    """The routes for one host, by path."""

    __slots__ = ("_exact", "_folders", "_last", "_longest", "_partial")

    def __init__(self, routes: Iterable[Route]) -> None:
        exact: dict[str, list[Route]] = {}
        folders: dict[str, list[Route]] = {}
        partial: dict[str, dict[str, list[Route]]] = {}
        last: list[Route] = []
        for route in routes:
            path = route.path
            if path.form == EXACT:
                exact.setdefault(path.literal, []).append(route)
            elif path.form != PREFIX:
                last.append(route)
            elif path.literal.endswith("/"):
                folders.setdefault(path.folder, []).append(route)
            else:
                partial.setdefault(path.folder, {}).setdefault(path.literal, []).append(route)
        # Looking at None costs less than looking into an empty dict.
        self._exact = {path: _in_order(found) for path, found in exact.items()} or None
        self._folders = {folder: _in_order(found) for folder, found in folders.items()}
        # Literals that end inside a segment, by the folder they are in: how long they are, the
        # longest first, and the routes of each.
        self._partial = {
            folder: (
                sorted(set(map(len, literals)), reverse=True),
                {literal: _in_order(found) for literal, found in literals.items()},
            )
            for folder, literals in partial.items()
        }
        self._last = _in_order(last)
        self._longest = max(map(len, (*folders, *partial)), default=-1)

    def find(self, request: HttpRequest, target: Target) -> Route | None:
        """Returns the most specific route for the path whose conditions hold, or None."""
        path = target.path
        if self._exact is not None:
            entry = self._exact.get(path)
            if entry is not None:
                route = _first(entry, request, target)
                if route is not None:
                    return route
        end = len(path)
        longest = self._longest
        if end > longest:
            end = path.rfind("/", 0, longest + 1)
        folders = self._folders
        partial = self._partial
        while end >= 0:
            folder = path[:end]
            if partial and folder in partial:
                route = self._first_partial(folder, request, target)
                if route is not None:
                    return route
            entry = folders.get(folder)
            if entry is not None:
                route = _first(entry, request, target)
                if route is not None:
                    return route
            end = path.rfind("/", 0, end)
        return _first(self._last, request, target)

    def _first_partial(self, folder: str, request: HttpRequest, target: Target) -> Route | None:
        """Returns the first route whose literal ends inside a segment and whose conditions hold."""
        for entry in self._partial_entries(folder, target.path):
            route = _first(entry, request, target)
            if route is not None:
                return route
        return None

    def candidates(self, path: str) -> Iterator[Route]:
        """Yields every route that is found along the path, the most specific first."""
        yield from (self._exact or {}).get(path, ())
        end = len(path)
        if end > self._longest:
            # No table has longer ones, and looking for them takes time by the square of the path.
            end = path.rfind("/", 0, self._longest + 1)
        while end >= 0:
            folder = path[:end]
            for entry in self._partial_entries(folder, path):
                yield from entry
            yield from self._folders.get(folder, ())
            end = path.rfind("/", 0, end)
        yield from self._last

    def _partial_entries(self, folder: str, path: str) -> Iterator[Entry]:
        lengths, entries = self._partial.get(folder, ((), {}))
        for length in lengths:
            entry = entries.get(path[:length])
            if entry is not None:
                yield entry


def _first(entry: Entry, request: HttpRequest, target: Target) -> Route | None:
    """Returns the first route whose conditions hold, or None."""
    for route in entry:
        if route.conditions is None or route.admits(request, target):
            return route
    return None


def _in_order(routes: list[Route]) -> Entry:
    if len(routes) > 1:
        routes.sort(key=lambda route: route.specificity)
    return tuple(routes)


def _default_route(index: int, actions: ActionsConfig, rules: PathRules) -> Route:
    from l7proxy.core.config.routes import RouteConfig

    return Route(index, RouteConfig(**actions.__dict__, name="default"), rules)
