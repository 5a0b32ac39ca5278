"""How much a peer may send before it is refused."""

from __future__ import annotations


class Limits:
    """Upper bounds on one message, in bytes unless said otherwise.

    `head`: start line, fields and the empty line after them (431 beyond it).
    `line`: the start line without its CRLF (414). Must be smaller than `head`.
    `fields`: number of header fields (431).
    `trailers`: the trailer section of a chunked body (431).
    `chunk_line`: one chunk-size line with its extensions, CRLF included (400).
    `extensions`: all chunk extensions of one body together (400): a peer that sends a
        byte of payload beside kilobytes of extension wastes everybody's time.
    `interim`: number of 1xx responses before the final one; whoever reads responses counts.
    """

    __slots__ = ("chunk_line", "extensions", "fields", "head", "interim", "line", "trailers")

    def __init__(
        self,
        *,
        head: int = 32 * 1024,
        line: int = 8 * 1024,
        fields: int = 128,
        trailers: int = 8 * 1024,
        chunk_line: int = 1024,
        extensions: int = 16 * 1024,
        interim: int = 16,
    ) -> None:
        if line + 4 > head:
            raise ValueError(f"the line limit ({line}) must leave room within the head's ({head})")
        self.head = head
        self.line = line
        self.fields = fields
        self.trailers = trailers
        self.chunk_line = chunk_line
        self.extensions = extensions
        self.interim = interim


DEFAULT_LIMITS = Limits()
