"""HTTP/1.1 without I/O: bytes in, one unambiguous message out, or a refusal.

The rule of the room: **what is passed on can be read in one way only.** Whatever two readers
might take for different messages (RFC 9112 11) is refused with a sentence that says why.

- `grammar`    the smallest pieces, as regular expressions
- `block`      expressions that check a header-field block and find what has to be known of it
- `fields`     such a block, taken apart
- `heads`      where a head ends, and whether it was seen before
- `request`    `RequestParser`: request heads; what to route on, what to send on, body length
- `response`   `ResponseParser`: a backend's heads; body length in answer to a method
- `lenient`    the same for backends that break the grammar without being ambiguous
- `body`       readers for bodies by length, in chunks, until close; and how chunks are written
- `serialise`  heads and error pages of our own, safe against injected line ends
- `memo`       the bounded memory that makes a head seen before nearly free
- `limits`     how much a peer may send
- `errors`     `BadRequest` (with the status to answer) and `BadResponse`

One request through a proxy: `RequestParser.parse` gives a `RequestHead`; sent on are its `line`,
its `forwardable` fields (`start` has both), what the proxy adds, and an empty line.
`body_reader(head.length)` takes the body apart as it comes. The backend's bytes go through
`ResponseParser.parse` (again after an interim response), then through
`body_reader(head.body_length(method), BadResponse)`.
"""

from __future__ import annotations

from l7proxy.http1.body import (
    LAST_CHUNK,
    ChunkedBody,
    LengthBody,
    UntilCloseBody,
    body_reader,
    encode_chunk,
    last_chunk,
)
from l7proxy.http1.errors import BadMessage, BadRequest, BadResponse
from l7proxy.http1.fields import (
    CHUNKED,
    Fields,
    RequestFields,
    ResponseFields,
    drop_fields,
    parse_request_fields,
    parse_response_fields,
)
from l7proxy.http1.limits import DEFAULT_LIMITS, Limits
from l7proxy.http1.request import RequestHead, RequestParser
from l7proxy.http1.response import (
    TUNNEL,
    UNTIL_CLOSE,
    ResponseHead,
    ResponseParser,
    check_interims,
)

__all__ = [
    "CHUNKED",
    "DEFAULT_LIMITS",
    "LAST_CHUNK",
    "TUNNEL",
    "UNTIL_CLOSE",
    "BadMessage",
    "BadRequest",
    "BadResponse",
    "ChunkedBody",
    "Fields",
    "LengthBody",
    "Limits",
    "RequestFields",
    "RequestHead",
    "RequestParser",
    "ResponseFields",
    "ResponseHead",
    "ResponseParser",
    "UntilCloseBody",
    "body_reader",
    "check_interims",
    "drop_fields",
    "encode_chunk",
    "last_chunk",
    "parse_request_fields",
    "parse_response_fields",
]
