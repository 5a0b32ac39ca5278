"""Which route a request takes, and what the route does with it on the way.

Everything is compiled when the configuration is loaded; what a route does not use costs nothing.

- `router`: hosts, then paths, then conditions: look-ups, however many routes there are
- `route`: one route, compiled
- `paths`: what a path pattern matches, and how specific it is
- `conditions`: methods, headers, query, cookies, client addresses
- `actions`: rewrites, redirects, splits and edits of headers
- `templates`: texts with values filled in
- `explain`: why this route and not that one; which routes no request can reach
"""

from l7proxy.core.routing.route import Route
from l7proxy.core.routing.router import Router

__all__ = ["Route", "Router"]
