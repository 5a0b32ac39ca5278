"""Backends over HTTP/1.1: pooled, kept-alive connections, bytes passed on as they come.

- `upstream`: the `Upstream` that a pool with `"upstream": "http"` has
- `downstream`: what the upstream sees of a client: its request's source, its response's sink
- `buffered`: the same for requests and responses that are there as a whole
- `response_memory`: how much of those that are not complete may be in memory
- `request_head`: the head that a backend gets
- `headers`: header fields as bytes and as text
- `request_body`: a request's body on its way, kept for another attempt while it is small
- `pool`: the connections to one backend, idle and being made
- `connection`: one connection to a backend, and the attempt on it
- `connection_state`: what such a connection is busy with
- `tunnel`: such a connection when it is no longer HTTP
- `write_batcher`: writes that go out together
- `fair_queue`: what is too much for one turn of the event loop
- `paced_reading`: when more is read of a body
- `readable`: what has come on a connection and was not read yet
- `probe`: health checks
- `connector`: opens connections
- `resolver`: names to addresses, believed for a while
- `tls`: how https:// backends are checked
"""

from l7proxy.upstreams.http.downstream import Downstream
from l7proxy.upstreams.http.pool import ConnectionPools
from l7proxy.upstreams.http.request_body import RequestBody
from l7proxy.upstreams.http.response_memory import ResponseMemory
from l7proxy.upstreams.http.upstream import BufferedUpstream, HttpUpstream

__all__ = [
    "BufferedUpstream",
    "ConnectionPools",
    "Downstream",
    "HttpUpstream",
    "RequestBody",
    "ResponseMemory",
]
