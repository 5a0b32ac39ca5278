"""The facts of HTTP, once: for the wire, for envelopes and for every tool.

- `grammar`: tokens, field values, targets, hosts: as sources of regular expressions and as checks
- `head`: what is wrong with a request's line and fields, in words
- `messages`: what the core is asked and what it answers
- `target`: what a request names, in one normal form
- `cookies`: the cookies of a request
- `local_reply`: why the proxy answers by itself, and with what status
"""
