"""l7proxy: a Layer 7 load balancer you can pipe JSON through.

The rooms, and which may import which: `cli -> {node, server, tools} -> upstreams -> http1 -> core`.

- `core` decides, and does nothing else: routes, pools, selectors, retries, deadlines.
- `node` is the conversation in JSON envelopes on stdin and stdout.
- `upstreams` carry attempts out: simulated backends, other nodes, real HTTP backends.
- `server` takes real HTTP requests, in front of the same core.
- `http1` is HTTP/1.1 without I/O: strict parsers, body framing, a serialiser.
- `tools` answer questions about a configuration.
- `cli` reads the arguments and wires the rooms together.
- `pytest_plugin` has pytest run what the tools test, and gives tests a node to talk to.

The life of one request: `node.framing` cuts the input into messages, `node.requests` makes one an
`HttpRequest`, `core.proxy.Proxy.open` gives it a `core.exchange.Exchange`, which the router and a
pool's selector bring to a backend. `upstreams.carrier` starts the attempt; its end brings either
another attempt or the response, which `node.replies` makes a line of output. Behind `server` the same exchange is driven by a
connection in place of a line, and `upstreams.http` passes the response on as it comes.
"""
