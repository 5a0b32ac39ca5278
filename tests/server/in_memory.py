"""A whole proxy without sockets: what each side says goes in, what the other hears comes out.

All is synchronous and nothing waits, so that thousands of conversations a second can be tried.
What must hold of each is here too: `request_faults` and `response_faults`.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import h11
import pytest

from l7proxy.core.config import config_from
from l7proxy.core.http.local_reply import Refused
from l7proxy.core.http.messages import Headers, HttpRequest
from l7proxy.core.http.target import parse_target
from l7proxy.http1.fields import split_fields
from l7proxy.http1.serialise import CONTINUE
from l7proxy.server.connection import ClientConnection
from l7proxy.server.listener import Listener
from l7proxy.server.service import Service
from l7proxy.upstreams.http import ConnectionPools
from tests.http1.corpus import Accepted, BadGateway, Tunnel
from tests.http1.peers import Answer, Message, UnreadableError, read_answers_with_h11
from tests.http1.support import bytewise, pass_on, read_requests, read_response, split

from .openers import AtOnce
from .support import OK

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from l7proxy.core.config import Config
    from tests.http1.peers import Pairs

    Answers = Callable[[bytes], Iterable[bytes | None]]
    """What comes back for what the proxy says; None closes."""

BACKEND = "192.0.2.1:80"
CLIENT = "192.0.2.2"
CONFIG = config_from(
    {
        "backend_pools": {
            "all": {
                "backends": [f"http://{BACKEND}"],
                "upstream": "http",
                "retries": {"attempts": 1},
                "http": {"strict_backends": True},
            }
        },
        "routes": [{"path_pattern": "/*", "backend_pool": "all"}],
        "paths": {"merge_slashes": False},
        "server": {"half_closed_clients": True},
    }
)

_RULES = CONFIG.paths.rules
_FEW = 400
_ONCE = frozenset(
    (
        b"content-length",
        b"host",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
    )
)
_NEVER = frozenset(
    (b"expect", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"via")
)
_WRITTEN = frozenset((b"connection", b"date", b"transfer-encoding"))
_OUR_PAGE = (b"content-type", b"text/plain; charset=utf-8")


class Wire:
    """One connection's transport; `heard` is what the proxy has said on it."""

    def __init__(self, protocol: Any, answers: Answers) -> None:
        self._protocol = protocol
        self._answers = answers
        self._unheard: list[bytes] = []
        self._lost = False
        self.heard = b""
        self.closed = False
        protocol.connection_made(self)

    def go_on(self) -> bool:
        """Brings about what follows from what was done so far; False if that is nothing."""
        if self.closed:
            if self._lost:
                return False
            self._lost = True
            self._protocol.connection_lost(None)
            return True
        if not self._unheard:
            return False
        unheard, self._unheard = b"".join(self._unheard), []
        self.heard += unheard
        for piece in self._answers(unheard):
            if piece is None:
                self.end()
            else:
                self.say(piece)
        return True

    def say(self, data: bytes) -> None:
        if data and not self.closed:
            self._protocol.data_received(data)

    def end(self) -> None:
        """The other side will say no more."""
        if not self.closed and not self._protocol.eof_received():
            self.closed = True

    def write(self, data: bytes | memoryview) -> None:
        if not self.closed:
            self._unheard.append(bytes(data))

    def close(self) -> None:
        self.heard += b"".join(self._unheard)
        self._unheard = []
        self.closed = True

    abort = close

    def write_eof(self) -> None:
        """Whoever is at the other end of a conversation in memory closes when it is over."""

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        """There is never so much that anybody would have to wait."""

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> Any:
        return (CLIENT, 1) if name == "peername" else None


class Done:
    """A task that has ended."""

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        callback(self)


class InMemory:
    """The proxy, and its loop as far as it needs one."""

    def __init__(self, backend: Callable[[], Answers], config: Config = CONFIG) -> None:
        """`backend` makes for each connection what answers on it."""
        self._backend = backend
        self._wires: list[Wire] = []
        self._soon: list[Callable[[], object]] = []
        service = Service(config, random.Random(0), self, ConnectionPools(self))  # type: ignore[arg-type]
        for pool in service.connections:
            pool.connector = AtOnce(pool.connector, self._connect)
        self.service = service
        self._listener = Listener(self, service)  # type: ignore[arg-type]

    @property
    def in_flight(self) -> int:
        pools = self.service.proxy.pools.values()
        return sum(backend.in_flight for pool in pools for backend in pool.backends)

    def time(self) -> float:
        return 0.0

    def call_soon(self, callback: Callable[[], object]) -> None:
        self._soon.append(callback)

    def create_task(self, work: Coroutine[None, None, None]) -> Done:
        """Carries out what waits for nothing, at once."""
        with pytest.raises(StopIteration):
            work.send(None)
        return Done()

    def _connect(self, protocol: asyncio.BaseProtocol) -> None:
        self._wires.append(Wire(protocol, self._backend()))

    def converse(self, pieces: Iterable[bytes]) -> bytes:
        """What a client hears who says these pieces and then no more."""
        client = Wire(ClientConnection(self._listener), lambda _: ())
        self._wires.append(client)
        for piece in pieces:
            client.say(piece)
            self._go_on()
        client.end()
        self._go_on()
        client.close()
        self._go_on()
        return client.heard

    def _go_on(self) -> None:
        while sum(wire.go_on() for wire in self._wires) or self._soon:
            soon, self._soon = self._soon, []
            for callback in soon:
                callback()


class RecordingNode:
    """A backend that answers whatever h11 takes for a request, and keeps what that was."""

    def __init__(self, seen: list[Message]) -> None:
        self._seen = seen
        self._begin(b"")

    def _begin(self, data: bytes) -> None:
        self._reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        if data:
            # To h11 nothing is the end of the connection.
            self._reader.receive_data(data)
        self._request: h11.Request | None = None
        self._body = b""

    def __call__(self, data: bytes) -> Iterator[bytes]:
        """Raises `UnreadableError` for what h11 refuses."""
        self._reader.receive_data(data)
        while (event := self._next()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                self._request = event
            elif isinstance(event, h11.Data):
                self._body += event.data
            else:
                request = self._request
                assert isinstance(event, h11.EndOfMessage) and request is not None
                fields, trailers = tuple(request.headers), tuple(event.headers)
                message = Message(request.method, request.target, fields, self._body, trailers)
                self._seen.append(message)
                self._begin(self._reader.trailing_data[0])
                yield OK[:-2] if message.method == b"HEAD" else OK

    def _next(self) -> Any:
        try:
            return self._reader.next_event()
        except h11.RemoteProtocolError as error:
            raise UnreadableError(f"the backend can't read what is sent on: {error}") from error


def request_faults(data: bytes) -> list[str]:
    """Every way in which the proxy as a whole mistreats what a client sends; [] if all is well."""
    if b"max-forwards" in data.lower():
        # It may make the proxy the one that is asked (RFC 9110, 7.6.2), whatever the target is.
        return []
    accepted = [each for each in read_requests([data]) if isinstance(each, Accepted)]
    sent_on = [_sent_on(each) for each in accepted]
    meant = [each for each in sent_on if each is not None]
    # Where a request with a body is refused for its target, the answer may be out before the body
    # is in: whether the connection can go on depends on the cuts then.
    is_certain = all(
        to is not None or not one.body for one, to in zip(accepted, sent_on, strict=True)
    )
    faults = []
    for pieces in _cuttings(data):
        seen: list[Message] = []
        proxy = InMemory(lambda: RecordingNode(seen))  # noqa: B023
        try:
            heard = proxy.converse(pieces)
            answers = _answers(heard, [one.method for one in accepted])
        except UnreadableError as error:
            faults.append(str(error))
            continue
        got = []
        for message in seen:
            essence, wrong = _seen_as(message)
            got.append(essence)
            faults += wrong
        if got != meant[: None if is_certain else len(got)]:
            faults.append(f"the backend reads {got}, not {meant}")
        statuses = [answer.status for answer in answers]
        if not {0, 500}.isdisjoint(statuses) or statuses.count(200) < len(got):
            faults.append(f"{len(accepted)} requests are answered by {statuses}")
        if proxy.in_flight:
            faults.append(f"{proxy.in_flight} requests are in flight when all is over")
    return faults


def response_faults(data: bytes) -> list[str]:
    """The same for what a backend says before it closes."""
    faults = []
    for method, upgrade in (("GET", False), ("GET", True), ("HEAD", False)):
        more = "Connection: upgrade\r\nUpgrade: websocket\r\n" if upgrade else ""
        asked = f"{method} / HTTP/1.1\r\nHost: a.example\r\n{more}\r\n".encode()
        meant = _relayed(data, method, upgrade)
        for pieces in _cuttings(data):
            said = [*pieces, None]
            proxy = InMemory(lambda: lambda _: said)  # noqa: B023
            heard = proxy.converse([asked])
            got = _heard(heard, method, tunnel=isinstance(meant, bytes))
            if got != meant:
                faults.append(f"in answer to {method} the client hears {heard!r}, not {meant!r}")
            if proxy.in_flight:
                faults.append(f"{proxy.in_flight} requests are in flight when all is over")
    return faults


def _cuttings(data: bytes) -> Iterator[list[bytes]]:
    dice = random.Random(data)
    yield [data]
    yield list(split(data, [dice.randrange(len(data) + 1) for _ in range(3)]))
    if len(data) < _FEW:
        yield list(bytewise(data))


def _sent_on(one: Accepted) -> Message | None:
    """What a backend must see of a request; None where its method or target is refused.

    Of the fields there is Host alone.
    """
    try:
        target = parse_target(HttpRequest(one.method, one.path, Headers(())), _RULES)
    except Refused:
        return None
    path = target.path if target.query is None else f"{target.path}?{target.query}"
    fields = ((b"host", (one.host or BACKEND).encode()),)
    trailers = tuple((name.lower(), value) for name, value in split_fields(one.trailers))
    return Message(one.method.encode(), path.encode(), fields, one.body, trailers)


def _seen_as(message: Message) -> tuple[Message, list[str]]:
    """A request with Host alone, and what is wrong with its other fields."""
    names = [name for name, _ in message.fields]
    wrong = [name for name in names if name in _NEVER or (name in _ONCE and names.count(name) > 1)]
    faults = [f"the backend is sent {name!r}" for name in wrong]
    said = dict(message.fields)
    client = said[b"x-forwarded-for"]
    if client != CLIENT.encode():
        faults.append(f"the client is {client!r} to the backend")
    return message._replace(fields=((b"host", said[b"host"]),)), faults


def _answers(heard: bytes, methods: list[str]) -> list[Answer]:
    """What a client hears who asked with these methods, and perhaps one more request."""
    # Whoever is told to go on with a request and does not gets no answer.
    heard = heard.removesuffix(CONTINUE)
    try:
        return read_answers_with_h11(heard, *methods, "GET")
    except UnreadableError:
        return read_answers_with_h11(heard, *methods, "HEAD")


def _relayed(data: bytes, method: str, upgrade: bool) -> list[Answer] | bytes | None:
    """What the client must hear; bytes in a tunnel; None for a 502, or for what breaks off."""
    outcome = read_response([data], method, upgrade)
    if isinstance(outcome, Tunnel):
        return outcome.data
    if isinstance(outcome, BadGateway):
        return None
    passed = pass_on(data, method)
    heads = [head for head in (*passed.interim, passed.head) if head.status != 100]
    answers = [
        Answer(head.status, head.reason, _lasting(split_fields(head.forwardable))) for head in heads
    ]
    trailers = tuple((name.lower(), value) for name, value in split_fields(passed.trailers))
    return [*answers[:-1], answers[-1]._replace(body=passed.body, trailers=trailers)]


def _heard(heard: bytes, method: str, *, tunnel: bool) -> list[Answer] | bytes | None:
    """The same, as h11 understands what the client heard."""
    if tunnel:
        return heard.partition(b"\r\n\r\n")[2]
    try:
        answers = read_answers_with_h11(heard, method)
    except UnreadableError:
        return None
    if answers and answers[-1].reason == b"Bad Gateway" and _OUR_PAGE in answers[-1].fields:
        return None
    return [answer._replace(fields=_lasting(answer.fields)) for answer in answers]


def _lasting(fields: Pairs) -> Pairs:
    """The fields that the proxy does not write itself, names in lower case."""
    return tuple((n.lower(), value) for n, value in fields if n.lower() not in _WRITTEN)
