"""The node: the core behind JSON envelopes, one conversation on a pair of byte streams.

It is itself sans-I/O: `Node.feed(data, now)` takes bytes in and gives bytes out, and
`next_deadline()` and `advance(now)` let time in. `driver` runs it over stdin and stdout.

- `framing`: bytes to JSON texts, and how to find the next message after a broken one
- `codec`: JSON texts to envelopes, replies to lines
- `requests`, `replies`: envelope bodies to and from the core's messages
- `clock`: the wall's time, or the one that envelopes tell
- `node`: the dispatch table, message type to handler
- `administration`: messages that look at pools and change them
- `recorder`: what comes in, written down to be played again
- `driver`: the blocking loop over file descriptors
- `http_driver`: the same on an event loop, where backends are spoken to over HTTP
"""

from l7proxy.node.node import Node

__all__ = ["Node"]
