"""h11 and httptools (llhttp) as readers of the same bytes."""

from __future__ import annotations

from typing import NamedTuple

import h11
import httptools


class Message(NamedTuple):
    """A request as a reader understood it; names in lower case, values without outer whitespace."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


class UnreadableError(Exception):
    """The peer refuses the bytes, or takes them for incomplete."""


def read_with_h11(data: bytes) -> list[Message]:
    """Every request in `data`. Reading starts anew behind each, as a pipeline would."""
    messages = []
    while data:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(data)
        try:
            request = connection.next_event()
            if not isinstance(request, h11.Request):
                raise UnreadableError(f"h11 says {request!r}")
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                raise UnreadableError(f"h11 says {event!r}")
        except h11.RemoteProtocolError as error:
            raise UnreadableError(f"h11 says {error}") from error
        # h11 normalises what it understands: codings in lower case, equal lengths merged.
        messages.append(Message(request.method, request.target, tuple(request.headers), body))
        data = connection.trailing_data[0]
    return messages


class _Collector:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    def on_message_begin(self) -> None:
        self.url = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self.fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_head = False
        self.method = self.parser.get_method()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages.append(Message(self.method, self.url, tuple(self.fields), self.body))


def read_with_httptools(data: bytes) -> list[Message]:
    """Every request in `data`. What comes after an upgrade is not looked at."""
    collector = _Collector()
    collector.parser = httptools.HttpRequestParser(collector)
    try:
        collector.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise UnreadableError(f"httptools says {error!r}") from error
    if not collector.messages:
        raise UnreadableError("httptools takes it for incomplete")
    return collector.messages


PEERS = {"h11": read_with_h11, "httptools": read_with_httptools}
