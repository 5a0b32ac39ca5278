"""What HTTP says, written once for the wire, for envelopes and for every tool.

- `grammar`: tokens, field values, targets, hosts, as sources of regular expressions
- `head`: checks of a request's method, target and fields, and the error texts about them
- `addresses`: addresses of clients, in one spelling
- `hop_by_hop`: fields about one connection, and those that only the proxy may write
- `forwarded`: the field Forwarded, in which proxies say where a request came from
- `messages`: requests, responses and their headers
- `target`: request targets, and paths in normal form
- `cookies`: the cookies of a request
- `local_reply`: the proxy's own answers, each with its status
"""
