"""Backends over HTTP/1.1: pooled, kept-alive connections, bytes passed on as they come.

- `downstream`: who asked, as the upstream sees them: the request's source, the response's sink
- `request_body`: a request's body on its way, kept for another attempt while it is small
- `connection`: one connection to a backend, and the attempt on it
- `pool`: the connections to one backend, idle and being made
- `resolver`: names to addresses, believed for a while
- `tls`: how https:// backends are checked
- `upstream`: the `Upstream` that a pool with `"upstream": "http"` has
"""

from l7proxy.upstreams.http.downstream import Downstream
from l7proxy.upstreams.http.pool import ConnectionPools
from l7proxy.upstreams.http.request_body import RequestBody
from l7proxy.upstreams.http.upstream import BufferedUpstream, HttpUpstream

__all__ = ["BufferedUpstream", "ConnectionPools", "Downstream", "HttpUpstream", "RequestBody"]
