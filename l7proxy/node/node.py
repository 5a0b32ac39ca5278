"""The node: a conversation in envelopes, bytes in and bytes out."""

from __future__ import annotations

from l7proxy.core.config import ConfigError, config_from
from l7proxy.core.proxy import Proxy
from l7proxy.core.verdict import DRAINING
from l7proxy.node.codec import (
    CRASH,
    MALFORMED,
    NOT_SUPPORTED,
    Malformed,
    decode_envelope,
    encode_envelope,
)
from l7proxy.node.framing import DEFAULT_LIMIT, Framer
from l7proxy.node.replies import response_body
from l7proxy.node.requests import request_from
from l7proxy.upstreams.carrier import Carrier
from l7proxy.upstreams.simulated import Simulated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange

    Handler = Callable[["Node", "Envelope", float], None]

DEFAULT_NAME = "l7_proxy"
CONFIG_KEYS = ("backend_pools", "routes", "backends", "algorithm", "options")
"""The members of an `init` that make it carry configuration."""


class Envelope:
    """A message that came in: who sent it, what we were called, its body and its id."""

    __slots__ = ("body", "dest", "msg_id", "src")

    def __init__(self, src: str, dest: str, body: Mapping[str, Any], msg_id: int | None) -> None:
        self.src = src
        self.dest = dest
        self.body = body
        self.msg_id = msg_id


class Node:
    """Answers envelopes.

    `feed`, `advance` and `finish` return the bytes to write. `log(line)` gets one line of text
    for each thing that can't be answered.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        log: Callable[[str], None],
        *,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work."""
        self._random = random
        self._log = log
        self._name: str | None = None
        self._now = 0.0
        self._out: list[bytes] = []
        self._in_flight: dict[Exchange, None] = {}
        self._framer = Framer(decode_envelope, self._handle, self._broken, limit)
        self._carriers: list[Carrier] = []
        self._configure(config)

    # Bytes and time.

    def feed(self, data: bytes, now: float) -> bytes:
        """Takes input as it comes and returns every answer that it brings about."""
        self._now = now
        self._framer.feed(data)
        return self._flush()

    def advance(self, now: float) -> bytes:
        """Lets everything happen that is due by `now` (seconds)."""
        self._now = now
        for carrier in self._carriers:
            carrier.advance(now)
        return self._flush()

    def next_deadline(self) -> float | None:
        """The next instant (seconds) at which `advance` has something to do."""
        dues = (carrier.proxy.next_deadline() for carrier in self._carriers)
        return min((due for due in dues if due is not None), default=None)

    def finish(self, now: float) -> bytes:
        """The input has ended; answers to what is in flight still come from `advance`."""
        self._now = now
        self._framer.close()
        return self._flush()

    def abort(self, now: float) -> bytes:
        """Answers everything that is still in flight with a 503."""
        for exchange in list(self._in_flight):
            exchange.cancelled(now)
            exchange.refuse(DRAINING)
            self._deliver(exchange, now)
        return self._flush()

    @property
    def idle(self) -> bool:
        """Whether every request has its answer."""
        return not self._in_flight

    def _flush(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    # Messages.

    def _broken(self, text: str, line: int) -> None:
        self._log(f"line {line}: {text}")

    def _handle(self, value: dict[str, Any], line: int) -> None:
        """Handles one message; whatever is wrong with it, the next one is not affected."""
        src = value.get("src")
        if type(src) is not str:
            self._broken("no usable src: it must be a string", line)
            return
        body = value.get("body")
        msg_id = body.get("msg_id") if isinstance(body, dict) else None
        known_id = msg_id if type(msg_id) is int else None
        dest = value.get("dest")
        called = dest if type(dest) is str else DEFAULT_NAME
        try:
            envelope = Envelope(src, called, _checked_body(value), known_id)
            if known_id is None and msg_id is not None:
                raise Malformed("/body/msg_id: must be an integer")
            kind = envelope.body["type"]
            handler = HANDLERS.get(kind)
            if handler is not None:
                handler(self, envelope, self._now)
            elif "in_reply_to" in envelope.body:
                # An answer to an answer could go on for ever.
                self._broken(f'an unexpected reply of type "{kind}" was dropped', line)
            else:
                self._error(src, called, known_id, NOT_SUPPORTED, f'no message type "{kind}"')
        except Malformed as error:
            self._error(src, called, known_id, MALFORMED, str(error))
        except Exception as error:
            import traceback

            self._log(traceback.format_exc().rstrip())
            self._error(src, called, known_id, CRASH, f"internal error: {type(error).__name__}")

    def _error(self, src: str, called: str, msg_id: int | None, code: int, text: str) -> None:
        body: dict[str, Any] = {"type": "error"}
        if msg_id is not None:
            body["in_reply_to"] = msg_id
        body.update(code=code, text=text)
        self._send(src, called, body)

    def _send(self, to: str, called: str, body: dict[str, Any]) -> None:
        self._out.append(encode_envelope(self._name or called, to, body))

    def _http_request(self, envelope: Envelope, now: float) -> None:
        request = request_from(envelope.body, envelope.src)
        exchange = self._carriers[-1].open(request, envelope, now)
        if exchange.response is None:
            self._in_flight[exchange] = None

    def _deliver(self, exchange: Exchange, now: float) -> None:
        envelope: Envelope = exchange.owner
        self._in_flight.pop(exchange, None)
        self._send(envelope.src, envelope.dest, response_body(exchange, envelope.msg_id))

    def _init(self, envelope: Envelope, now: float) -> None:
        given = {key: envelope.body[key] for key in CONFIG_KEYS if key in envelope.body}
        if given:
            try:
                self._configure(config_from(given))
            except ConfigError as error:
                raise Malformed("; ".join(map(str, error.problems))) from None
        node_id = envelope.body.get("node_id")
        if node_id is not None:
            if type(node_id) is not str:
                raise Malformed("/body/node_id: must be a string")
            self._name = node_id
        reply: dict[str, Any] = {"type": "init_ok"}
        if envelope.msg_id is not None:
            reply["in_reply_to"] = envelope.msg_id
        self._send(envelope.src, envelope.dest, reply)

    def _configure(self, config: Config) -> None:
        """Puts a configuration to work; what is in flight ends under the one it began with."""
        proxy = Proxy(config, self._random)
        upstreams = {name: Simulated(pool) for name, pool in proxy.pools.items()}
        self._carriers = [c for c in self._carriers if len(c.proxy.timers)]
        self._carriers.append(Carrier(proxy, upstreams, self._deliver))


def _checked_body(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The envelope's body; raises `Malformed` where it is not that of a message."""
    repeated = getattr(value, "repeated", ())
    if repeated:
        raise Malformed(f'the key "{repeated[0]}" is written more than once')
    body = value.get("body")
    if not isinstance(body, dict):
        raise Malformed("/body: must be an object")
    if type(body.get("type")) is not str:
        raise Malformed("/body/type: must be a string")
    return body


HANDLERS: dict[str, Handler] = {
    "http_request": Node._http_request,
    "init": Node._init,
}
"""What is done with a message, by its type."""
