"""Whatever is accepted must be the same one message to other readers.

Known and wanted differences:

- Both peers accept much that is refused here (bare LF in h11, a second equal Content-Length in
  h11, odd hosts and missing hosts in httptools, HTTP/1.0 with chunks, whitespace in chunk lines).
- Refused by httptools and accepted here: methods it does not know (it has a fixed list), CONNECT
  without a tunnel behind it, and a tab behind a field's `chunked`. (The field is written anew
  when the message is sent on.)
- Refused by both and accepted here: octets beyond ASCII in a target. They are asked about the same
  target with those percent-encoded, which is what is sent on.
- Refused by h11 and accepted here: a chunk-size line's extension beyond its own length limit.
- h11 reports Transfer-Encoding in lower case and without empty list members.
- httptools takes everything behind an Upgrade or CONNECT for the tunnel's; it is only asked
  about messages without them. Nor can it be told that a response answers HEAD, or that the
  connection has closed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from l7proxy.http1 import UNTIL_CLOSE, BadRequest, BadResponse
from l7proxy.http1.fields import split_fields
from l7proxy.http1.grammar import escape_octets

from .peers import (
    PEERS,
    Answer,
    Message,
    UnreadableError,
    read_answers_with_h11,
    read_answers_with_httptools,
)
from .support import forward_all, pass_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from l7proxy.http1 import ResponseHead

    from .peers import Pairs
    from .support import Forwarded, Passed

    Read = Callable[[bytes], list[Any]]
    """A peer: the messages or answers that it finds in some bytes."""

_NORMALISED = (b"transfer-encoding",)


def disagreements(data: bytes) -> tuple[int, list[str]]:
    """How many requests of `data` were compared, and every way a peer understood one otherwise.

    Three comparisons for each message accepted: of the message as it came, which one peer must
    accept, with each that does; of the message as it is sent on, which every peer must accept;
    and of what a second proxy of this kind would send on, which must be the same bytes.
    """
    try:
        messages = forward_all(data)
    except (BadRequest, ValueError):
        return 0, []
    return len(messages), [fault for message in messages for fault in _in_request(message)]


def response_disagreements(data: bytes, method: str) -> tuple[int, list[str]]:
    """The same for the response at the beginning of `data`, in answer to `method`."""
    try:
        passed = pass_on(data, method)
    except (BadResponse, ValueError):
        return 0, []
    return 1, list(_in_response(passed, method))


def _in_request(message: Forwarded) -> Iterator[str]:
    head, body = message.head, message.body
    method = head.method.encode()
    tunnel = method == b"CONNECT" or head.fields.upgrade is not None
    peers = {name: read for name, read in PEERS.items() if name == "h11" or not tunnel}
    target = escape_octets(head.target)
    came = Message(method, target, _comparable(head.fields.items()), body)
    raw = message.raw.lstrip(b"\r\n").replace(head.target, target, 1)
    yield from _as_it_came(peers, raw, [came])
    if head.host == "" or tunnel:
        return
    fields = _comparable(split_fields(head.forwardable))
    trailers = _comparable(split_fields(message.trailers))
    gone = Message(method, head.path.encode(), fields, body, trailers)
    for name, read in peers.items():
        for fault in _as_sent_on(name, read, message.sent, [gone]):
            if name != "httptools" or "InvalidMethod" not in fault:
                yield fault
    again = [each.sent for each in forward_all(message.sent)]
    if again != [message.sent]:
        yield f"a second proxy sends {again} for {message.sent!r}"


def _in_response(passed: Passed, method: str) -> Iterator[str]:
    head, body = passed.head, passed.body
    peers: dict[str, Read] = {"h11": lambda data: read_answers_with_h11(data, method)}
    if method != "HEAD":
        peers["httptools"] = read_answers_with_httptools
    came = [_answer(each, each.fields.items()) for each in passed.interim]
    came.append(_answer(head, head.fields.items(), body))
    if passed.length == UNTIL_CLOSE:
        yield from _as_it_came({"h11": peers["h11"]}, passed.raw, came)
    else:
        yield from _as_it_came(peers, passed.raw, came)
    gone = [_answer(each, split_fields(each.forwardable)) for each in passed.interim]
    trailers = _comparable(split_fields(passed.trailers))
    gone.append(_answer(head, split_fields(head.forwardable), body, trailers))
    for name, read in peers.items():
        yield from _as_sent_on(name, read, passed.sent, gone)
    again = pass_on(passed.sent, method).sent
    if again != passed.sent:
        yield f"a second proxy sends {again!r} for {passed.sent!r}"


def _answer(head: ResponseHead, fields: Pairs, body: bytes = b"", trailers: Pairs = ()) -> Answer:
    return Answer(head.status, head.reason, _comparable(fields), body, trailers)


def _as_it_came(peers: Mapping[str, Read], data: bytes, meant: list[Any]) -> Iterator[str]:
    """Trailers are left out: those that are not passed on are not kept."""
    refusals = []
    for name, read in peers.items():
        try:
            theirs = [_without_framing(each)._replace(trailers=()) for each in read(data)]
        except UnreadableError as error:
            refusals.append(str(error))
        else:
            if theirs != meant:
                yield f"{name} reads {theirs}, not {meant}"
    # Neither knows blanks around what divides extensions, which the grammar has (RFC 9112, 7.1.1).
    unknown = re.search(rb"\n[0-9A-Fa-f]+[^\r\n]*[ \t;][ \t;=]", data)
    if len(refusals) == len(PEERS) and not unknown and "InvalidMethod" not in refusals[-1]:
        yield f"accepted, but {' and '.join(refusals)}"


def _as_sent_on(name: str, read: Read, data: bytes, meant: list[Any]) -> Iterator[str]:
    try:
        theirs = [_without_framing(each) for each in read(data)]
    except UnreadableError as error:
        yield f"{name} cannot read {data!r}: {error}"
    else:
        if theirs != meant:
            yield f"{name} reads {theirs}, not {meant}, in what is sent on, {data!r}"


def _without_framing(message: Any) -> Any:
    return message._replace(fields=_comparable(message.fields))


def _comparable(fields: Pairs) -> Pairs:
    return tuple((n.lower(), value) for n, value in fields if n.lower() not in _NORMALISED)
