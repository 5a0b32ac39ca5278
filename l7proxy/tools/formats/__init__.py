"""Recorded traffic: a line of some log in, a request and its time out.

A log's reader is a pure function from a line to the time of a request (seconds since 1970) and
the request itself; it raises `BadLine` for what it can't make sense of. Envelopes stay what they
are, because not all of them are requests. `traffic` puts the lines in order and makes their times
start at 0.

- `envelopes`: what the node reads, and what `--record` writes
- `access`: the access log of our own proxy, in its `envelope` format
- `combined`: nginx's and Apache's access logs ("combined", "common", "vhost_combined")
- `haproxy`: HAProxy's HTTP log
- `json_log`: JSON access logs (nginx, Envoy, Caddy, Traefik, or fields of your own)
- `har`: what a browser's developer tools export
- `registry`: the formats by name, and how one is recognised
- `line`, `times`: what the readers share
"""

from l7proxy.tools.formats.line import BadLine, Envelope, LoggedRequest, LogReader
from l7proxy.tools.formats.registry import FORMATS, UnknownFormat
from l7proxy.tools.formats.traffic import Traffic, Unreadable

__all__ = [
    "FORMATS",
    "BadLine",
    "Envelope",
    "LogReader",
    "LoggedRequest",
    "Traffic",
    "UnknownFormat",
    "Unreadable",
]
