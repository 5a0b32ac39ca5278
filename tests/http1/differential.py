"""Whatever is accepted must be the same one message to other readers.

Known and wanted differences:

- Both peers accept much that is refused here (bare LF in h11, a second equal Content-Length in
  h11, odd hosts and missing hosts in httptools, HTTP/1.0 with chunks, whitespace in chunk lines).
- Refused by httptools and accepted here: methods it does not know (it has a fixed list), CONNECT
  without a tunnel behind it, and a tab behind a field's `chunked`. (The field is written anew
  when the message is sent on.)
- Refused by h11 and accepted here: a chunk-size line's extension beyond its own length limit.
- h11 reports Transfer-Encoding in lower case and without empty list members.
- httptools takes everything behind an Upgrade or CONNECT for the tunnel's; it is only asked
  about messages without them.
"""

from __future__ import annotations

from l7proxy.http1 import BadRequest, RequestHead

from .peers import PEERS, Message, UnreadableError
from .support import forward_all

_NORMALISED = (b"transfer-encoding",)


def _fields(head: RequestHead) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower(), value) for name, value in head.fields.items())


def _comparable(message: Message) -> Message:
    fields = tuple((n, v) for n, v in message.fields if n not in _NORMALISED)
    return message._replace(fields=fields)


def disagreements(data: bytes) -> tuple[int, list[str]]:
    """How many messages of `data` were compared, and every way a peer understood one otherwise.

    Two comparisons for each message accepted: of the message as it came, with each peer that
    accepts it; and of the message as it is sent on, which every peer must accept.
    """
    try:
        messages = forward_all(data)
    except (BadRequest, ValueError):
        return 0, []
    found = []
    for message in messages:
        head = message.head
        tunnel = head.method == "CONNECT" or head.fields.upgrade is not None
        ours = _comparable(Message(head.method.encode(), head.target, _fields(head), message.body))
        for name, read in PEERS.items():
            if name == "httptools" and tunnel:
                continue
            try:
                theirs = read(message.raw.removeprefix(b"\r\n"))
            except UnreadableError:
                pass
            else:
                if list(map(_comparable, theirs)) != [ours]:
                    found.append(f"{name} reads {theirs}, not {ours}")
            if head.host == "" or tunnel:
                continue
            try:
                theirs = read(message.sent)
            except UnreadableError as error:
                if name != "httptools" or "InvalidMethod" not in str(error):
                    found.append(f"{name} cannot read {message.sent!r}: {error}")
            else:
                seen = [(m.method, m.target, m.body) for m in theirs]
                if seen != [(head.method.encode(), head.path.encode(), message.body)]:
                    found.append(f"{name} reads {theirs} in what is sent on, {message.sent!r}")
    return len(messages), found
