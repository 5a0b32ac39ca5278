"""l7proxy: a Layer 7 load balancer you can pipe JSON through.

The rooms, and which may import which: `{commands, testing} -> {node, server, tools} -> upstreams
-> {http1, envelope, files} -> core`.

- `core` decides, and does nothing else: routes, pools, selectors, retries, deadlines.
- `http1` is HTTP/1.1 without I/O: strict parsers, body framing, a serialiser.
- `envelope` is the JSON wire format without I/O: framing, decoding, encoding.
- `files` knows the default configuration, and reads files and secrets.
- `upstreams` carry attempts out: simulated backends, other nodes, real HTTP backends.
- `node` is the conversation in JSON envelopes on stdin and stdout.
- `server` takes real HTTP requests, in front of the same core.
- `tools` answer questions about a configuration.
- `commands` read the arguments and wire the rooms together.
- `testing` has pytest run what the tools test, and gives tests a node to talk to.

The life of one request: `envelope.framing` cuts the input into messages, `envelope.request` makes
one an `HttpRequest`, `core.proxy.Proxy.open` gives it a `core.exchange.Exchange`, which the router
and a pool's selector bring to a backend. `upstreams.dispatcher` starts the attempt; its end brings
either another attempt or the response, which `envelope.response` makes a line of output. Behind
`server` the same exchange is driven by a connection in place of a line, and `upstreams.http`
passes the response on as it comes.
"""

import sys

# Every Python since 2.7 can read this file and `main.py`, and no other file of l7proxy before 3.11.
if sys.version_info < (3, 11):  # noqa: UP036
    here = ".".join(map(str, sys.version_info[:3]))
    sys.exit("l7proxy needs Python 3.11 or later; this is " + here)

__version__ = "1.1.0"
