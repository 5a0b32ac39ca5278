"""The node: the core behind JSON envelopes, one conversation on a pair of byte streams.

It is itself sans-I/O: `Node.feed(data, now)` takes bytes in and gives bytes out, and
`next_deadline()` and `advance(now)` let time in. `blocking_loop` runs it over stdin and stdout.

A line on its way: `envelope.decode` > `Node` > the handler of its type in `HANDLERS` > `Engine` >
`upstreams.Dispatcher`; and back by `Engine`'s `on_delivered` > `Node` > `envelope.encode`.

- `engine`: configurations at work, requests in flight, time; no messages
- `clock`: wall time, or the time that envelopes tell
- `node`: bytes to messages, `HANDLERS` by their type, replies to bytes
- `message`: one message, and what its handler works on
- `init`: the message that names the node and may configure it
- `administration`: messages that look at pools and change them
- `in_order`: replies in the order of the requests
- `recorder`: writes down what comes in, to be played again
- `replay_node`: an engine played with envelopes, for `replay` and `diff`; a node that shows what
  it does, for tests of configurations
- `blocking_loop`: the loop over file descriptors
- `asyncio_loop`: the same on an event loop, where backends are spoken to over HTTP
"""

from l7proxy.node.node import Node

__all__ = ["Node"]
