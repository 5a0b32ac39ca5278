"""Recorded traffic: a line of some log in, a request and its time out.

A log's reader is a pure function from a line to the time of a request (seconds since 1970) and
the request itself; it raises `BadLine` for what it can't make sense of. Envelopes stay what they
are, because not all of them are requests. `traffic` puts the lines in order and makes their times
start at 0.

- `envelopes`: what the node reads, and what `--record` writes
- `access`: the access log of our own proxy, in its `envelope` format
- `combined`: nginx's and Apache's access logs ("combined", "common", "vhost_combined")
- `haproxy`, `haproxy_clf`: HAProxy's HTTP log, and the same as CLF
- `envoy`: Envoy's and Istio's default text
- `alb`: AWS's load balancers
- `w3c`, `cloudfront`: IIS's and AWS CloudFront's logs, whose `columns` a line of their own names
- `json_log`: JSON access logs (nginx, Envoy, Caddy, Traefik, or fields of your own)
- `har`: what a browser's developer tools export
- `log_format`, `pattern`: what nginx's own syntax, or a regular expression, describes
- `format`: what a format is; `registry` lists all
- `detection`: how one is recognised, also inside the `wrappings` of containers and syslog
- `line`, `times`, `escapes`: what the readers share; `fields`: requests from fields with names
"""

from l7proxy.tools.formats.detection import UnknownFormat
from l7proxy.tools.formats.line import BadLine, Envelope, LoggedRequest, LogReader
from l7proxy.tools.formats.registry import FORMATS
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
