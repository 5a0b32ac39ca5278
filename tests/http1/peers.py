"""h11 and httptools (llhttp) as readers of the same bytes."""

from __future__ import annotations

from typing import Any, NamedTuple

import h11
import httptools

Pairs = tuple[tuple[bytes, bytes], ...]


class Message(NamedTuple):
    """A request as a reader understood it; names in lower case, values without outer whitespace."""

    method: bytes
    target: bytes
    fields: Pairs
    body: bytes
    trailers: Pairs = ()


class Answer(NamedTuple):
    """A response, interim or final, as a reader understood it."""

    status: int
    reason: bytes
    fields: Pairs
    body: bytes = b""
    trailers: Pairs = ()


class UnreadableError(Exception):
    """The peer refuses the bytes."""


def read_with_h11(data: bytes) -> list[Message]:
    """Every complete request in `data`. Reading starts anew behind each, as a pipeline would."""
    messages = []
    while data:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(data)
        try:
            request = connection.next_event()
            if not isinstance(request, h11.Request):
                break
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                break
        except h11.RemoteProtocolError as error:
            raise UnreadableError(f"h11 says {error}") from error
        # h11 normalises what it understands: codings in lower case, equal lengths merged.
        fields, trailers = tuple(request.headers), tuple(event.headers)
        messages.append(Message(request.method, request.target, fields, body, trailers))
        data = connection.trailing_data[0]
    return messages


def read_answers_with_h11(data: bytes, *methods: str) -> list[Answer]:
    """What `data` holds in answer to requests of these methods before the connection closes.

    What is left behind the last answer is one more, with the status 0.
    """
    answers: list[Answer] = []
    for method in methods:
        if not data:
            break
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        target = "a.example:1" if method == "CONNECT" else "/"
        connection.send(h11.Request(method=method, target=target, headers=[("Host", "a.example")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(data)
        connection.receive_data(b"")
        try:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    answers[-1] = answers[-1]._replace(body=answers[-1].body + event.data)
                elif isinstance(event, (h11.InformationalResponse, h11.Response)):
                    answers.append(Answer(event.status_code, event.reason, tuple(event.headers)))
                else:
                    raise UnreadableError(f"h11 says {event!r}")
        except h11.RemoteProtocolError as error:
            raise UnreadableError(f"h11 says {error}") from error
        answers[-1] = answers[-1]._replace(trailers=tuple(event.headers))
        data = connection.trailing_data[0]
    if data:
        answers.append(Answer(0, b"", (), data))
    return answers


class _Collector:
    """Hears what httptools reads, of requests and responses alike."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: list[Answer] = []

    def on_message_begin(self) -> None:
        self.start_line = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] = []
        self.taken = self.fields

    def on_url(self, url: bytes) -> None:
        self.start_line += url

    def on_status(self, reason: bytes) -> None:
        self.start_line += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.taken.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.taken = self.trailers

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        parts = (self.start_line, tuple(self.fields), self.body, tuple(self.trailers))
        if isinstance(self.parser, httptools.HttpRequestParser):
            self.messages.append(Message(self.parser.get_method(), *parts))
        else:
            self.answers.append(Answer(self.parser.get_status_code(), *parts))

    parser: Any

    def read(self, parser: Any, data: bytes) -> None:
        self.parser = parser
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            raise UnreadableError(f"httptools says {error!r}") from error


def read_with_httptools(data: bytes) -> list[Message]:
    """Every complete request in `data`. What comes after an upgrade is not looked at."""
    collector = _Collector()
    collector.read(httptools.HttpRequestParser(collector), data)
    return collector.messages


def read_answers_with_httptools(data: bytes) -> list[Answer]:
    """Every response in `data`, in answer to GET, whose end does not hang on the connection's."""
    collector = _Collector()
    collector.read(httptools.HttpResponseParser(collector), data)
    return collector.answers


PEERS = {"h11": read_with_h11, "httptools": read_with_httptools}
