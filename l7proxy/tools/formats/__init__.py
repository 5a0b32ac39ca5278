"""Recorded traffic: a line of some log in, an envelope with `at` out.

Every format is a reader, a pure function from one line to one envelope, which raises `BadLine`
for what it can't make sense of. `at` is then in the log's own time (seconds since 1970);
`traffic` puts the envelopes in order and makes their times start at 0.

- `envelopes`: what the node reads, and what `--record` writes
- `access`: the access log of our own proxy, in its `envelope` format
- `combined`: nginx's and Apache's access logs ("combined", "common", "vhost_combined")
- `haproxy`: HAProxy's HTTP log
- `json_log`: JSON access logs (nginx, Envoy, Caddy, Traefik, or fields of your own)
- `har`: what a browser's developer tools export
- `registry`: the formats by name, and how one is recognised
"""

from l7proxy.tools.formats.line import BadLine, Envelope, Reader
from l7proxy.tools.formats.registry import FORMATS, UnknownFormat, find_reader
from l7proxy.tools.formats.traffic import Traffic, Unreadable

__all__ = [
    "FORMATS",
    "BadLine",
    "Envelope",
    "Reader",
    "Traffic",
    "UnknownFormat",
    "Unreadable",
    "find_reader",
]
