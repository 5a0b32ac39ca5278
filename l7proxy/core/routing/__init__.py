"""Routing: the route that a request takes, and what the route does with it on the way.

Everything is compiled before the first request; what a route does not use costs nothing.

- `router`: hosts, then paths, then conditions: look-ups, however many routes there are
- `route`: one route, compiled
- `paths`: path patterns: what they match, and how specific they are
- `conditions`: methods, headers, query, cookies, client addresses
- `actions`: rewrites, redirects, splits and edits of headers
- `locations`: where redirects lead
- `templates`: texts with values filled in
- `explain`: the reasons for a route and against others; routes that no request can reach
"""

from l7proxy.core.routing.route import Route
from l7proxy.core.routing.router import Router

__all__ = ["Route", "Router"]
