"""Backends over HTTP/1.1: pooled, kept-alive connections, bytes passed on as they come.

- `upstream`: the `Upstream` that a pool with `"upstream": "http"` has
- `downstream`: who asked, as the upstream sees them: the request's source, the response's sink
- `buffered`: requests and responses that are there with all of their bodies
- `pool`: the connections to one backend, idle and being made
- `connection`: one connection to a backend, and the attempt on it
- `request_head`, `request_body`: what the backend is sent; a small body is kept for another attempt
- `headers`: header fields as bytes on the wire and as text in the core
- `tunnel`: a connection that has stopped being HTTP
- `probe`: a health check
- `resolver`: names to addresses, believed for a while
- `tls`: how https:// backends are checked
- `readable`, `write_batcher`: whether a socket has bytes to read; writes that are held back and
  made together
"""

from l7proxy.upstreams.http.downstream import Downstream
from l7proxy.upstreams.http.pool import ConnectionPools
from l7proxy.upstreams.http.request_body import RequestBody
from l7proxy.upstreams.http.upstream import BufferedUpstream, HttpUpstream

__all__ = ["BufferedUpstream", "ConnectionPools", "Downstream", "HttpUpstream", "RequestBody"]
