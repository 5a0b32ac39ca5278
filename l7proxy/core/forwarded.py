"""The request that a backend gets: the client's, as the route changes it."""

from __future__ import annotations

from l7proxy.core.http.messages import Headers
from l7proxy.core.http.target import with_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.http.target import Target
    from l7proxy.core.routing import Route


class Forwarded:
    """A request on its way to a backend.

    `target` and `route` are None until they are found. `rewritten_path` and `rewritten_host` are
    None where the route leaves them as they are. A rewritten path may have a `?query` of its own.
    """

    __slots__ = ("request", "rewritten_host", "rewritten_path", "route", "target")

    request: HttpRequest
    target: Target | None
    route: Route | None
    rewritten_path: str | None
    rewritten_host: str | None

    @property
    def forward_path(self) -> str:
        """The path, in normal form and as the route rewrote it."""
        assert self.target is not None
        rewritten = self.rewritten_path
        return self.target.path if rewritten is None else rewritten.partition("?")[0]

    @property
    def forward_target(self) -> str:
        """The target in origin-form: the path, and the query as the client sent it.

        Where the route has given the path a query, the client's is joined to it.
        """
        assert self.target is not None
        return with_query(self.rewritten_path or self.target.path, self.target.query)

    @property
    def forward_host(self) -> str | None:
        """The host that stands in place of the client's Host header; None where that stays.

        The authority of an absolute-form target always does (RFC 9112, 3.2.2).
        """
        assert self.target is not None
        return self.rewritten_host or self.target.authority

    @property
    def forward_headers(self) -> Headers:
        """The client's headers with `forward_host` and the route's changes."""
        assert self.route is not None
        edits = self.route.request_headers
        headers = self.addressed_headers
        return headers if edits is None else Headers(edits.apply(headers))

    @property
    def addressed_headers(self) -> Headers:
        """The client's headers with `forward_host`, before the route's changes."""
        host = self.forward_host
        headers = self.request.headers
        if host is None:
            return headers
        return Headers((("Host", host), *(pair for pair in headers if pair[0].lower() != "host")))
