"""The node: a conversation in envelopes, bytes in and bytes out, around an engine."""

from __future__ import annotations

from json import dumps, loads

from l7proxy.core.callbacks import ignore
from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import json_type, pointer_to
from l7proxy.core.exchange import Exchange
from l7proxy.envelope.decode import EnvelopeDecoder
from l7proxy.envelope.encode import envelope_line
from l7proxy.envelope.errors import CRASH, BadMember, MessageError, UnknownType
from l7proxy.envelope.framing import DEFAULT_LIMIT, Framer
from l7proxy.envelope.request import request_from
from l7proxy.envelope.response import response_text
from l7proxy.node.engine import SIMULATED, Engine
from l7proxy.node.message import Message, Receiver, as_id
from l7proxy.upstreams.envelope import EnvelopeUpstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.random_streams import RandomStreams
    from l7proxy.node.engine import MakeUpstream
    from l7proxy.node.in_order import InOrderWriter
    from l7proxy.node.message import Handler, Id, Reply
    from l7proxy.upstreams.base import Upstream

ENOUGH_IN_FLIGHT = 32_768
"""Requests in flight from which on no more are read."""
DEFAULT_NAME = "l7_proxy"


class Node(Receiver):
    """Answers envelopes.

    `feed`, `advance` and `finish` return the bytes to write; their `now` is the wall clock's
    (seconds), which counts until an envelope carries `at`. `log(line)` gets one line of text for
    each thing that can't be answered and for each change of a backend's state; `bug(text)`, or
    else `log`, gets the traceback of each bug.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        log: Callable[[str], None],
        *,
        bug: Callable[[str], None] | None = None,
        limit: int = DEFAULT_LIMIT,
        virtual_time: bool = False,
        secrets: Secrets | None = None,
        explain: bool = False,
        record: Callable[[Mapping[str, Any]], object] | None = None,
        http: Callable[[Pool], Upstream] | None = None,
        upstreams: Mapping[str, MakeUpstream] | None = None,
        ordered: bool = False,
        allowed: Collection[str] = (),
        on_delivered: Callable[[Exchange, float], None] | None = None,
        on_configured: Callable[[Proxy], None] = ignore,
        enough_in_flight: int = ENOUGH_IN_FLIGHT,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work.

        `limit` is the largest message in bytes. `secrets` reads the keys that a configuration
        names; see `core.affinity.Secrets`. With `explain` every reply to a request says why.
        `record(envelope)` gets every message that is handled, with the time at which it is as its
        `at`. `ordered` has requests answered in the order in which they came.

        `http` makes the upstream of a pool whose backends are real; without it, pools with
        `"upstream": "http"` are refused. With it time is the wall clock's, whatever envelopes say.
        `upstreams` makes those of other pools, by their `upstream`, where they are not to be as
        the configuration says: with `SIMULATED` no backend is asked outside. `allowed` are names
        that an `init` may use beside those in the configuration; see `core.config.outside`.

        With `enough_in_flight` requests it wants no more input, if they end without any.

        `on_delivered` is told of each exchange before its reply is made, and `on_configured` of
        each configuration, as `Engine` tells of them.
        """
        self._record = record
        self._enough_in_flight = enough_in_flight
        self._log = log
        self._bug = bug or log
        self._called = DEFAULT_NAME
        """The last `dest`: the node's name in what no message brought about."""
        self._out: list[str] = []
        self._order: InOrderWriter | None = None
        if ordered:
            from l7proxy.node.in_order import InOrderWriter

            self._order = InOrderWriter(self._out)
        self._changed: Callable[[], None] | None = None
        self._framer = Framer(EnvelopeDecoder(), self._handle, self._broken, limit)
        nodes = EnvelopeUpstream(self._ask)
        engine = Engine(
            config,
            random,
            self._reply if on_delivered is None else _both(on_delivered, self._reply),
            self._crashed,
            on_pending=ignore if self._order is None else self._order.expect,
            on_configured=on_configured,
            on_note=self._note,
            upstreams={**_upstreams(nodes, http), **(upstreams or {})},
            secrets=secrets,
            virtual_time=virtual_time,
            real_time=http is not None,
            allowed=allowed,
        )
        super().__init__(engine, nodes, explain=explain)

    # Bytes and time.

    def feed(self, data: bytes, now: float) -> bytes:
        """Takes input in any pieces; returns every reply that it brings about."""
        if self.engine.real_time:
            # What real backends have sent may not be read yet: if they are late, `advance` says so.
            self.engine.now(now)
        else:
            self.engine.advance(now)
        self._framer.feed(data)
        return self._flush()

    def advance(self, now: float) -> bytes:
        """Lets everything happen that is due by `now`; returns the replies."""
        self.engine.advance(now)
        return self._flush()

    def go_to(self, at: Any) -> bytes:
        """Lets virtual time go on to `at` (seconds); raises ValueError where that is over."""
        self.engine.go_to(at)
        return self._flush()

    def output(self) -> bytes:
        """Returns the replies that real backends have brought about since."""
        return self._flush()

    def on_change(self, changed: Callable[[], None]) -> None:
        """Has `changed` called when there may be something to write, or something due sooner."""
        self._changed = changed
        self.engine.on_sooner(changed)

    def next_deadline(self) -> float | None:
        """Returns the next instant at which `advance` has something to do; see `Engine`."""
        return self.engine.next_deadline()

    def finish(self, now: float) -> bytes:
        """Ends the input.

        In virtual time everything that is pending runs out. On the wall clock replies to what is
        in flight still come from `advance`, until the node is `idle`; but other nodes can't reply
        any more, so what they were asked is answered 503 at once.
        """
        engine = self.engine
        engine.now(now)
        self._framer.close()
        if not engine.clock.virtual:
            engine.abort_pools("envelope")
        engine.drain()
        return self._flush()

    def drain(self, now: float) -> bytes:
        """Finishes what is in flight; requests that still come in are answered 503.

        Until the node is `idle` input is still wanted, for the replies of other nodes.
        """
        self.engine.drain()
        return self._flush()

    def abort(self, now: float) -> bytes:
        """Answers everything that is still in flight with a 503."""
        self.engine.abort()
        return self._flush()

    @property
    def wants_input(self) -> bool:
        """Whether more may be read: not while enough is in flight that ends by itself."""
        engine = self.engine
        enough = engine.in_flight >= self._enough_in_flight
        return not enough or engine.clock.virtual or self.nodes.awaits_replies

    @property
    def idle(self) -> bool:
        """Whether every request has its reply."""
        return self.engine.idle

    def _flush(self) -> bytes:
        out = "".join(self._out).encode()
        self._out.clear()
        return out

    # Messages in.

    def _handle(self, envelope: Mapping[str, Any], text: bytes, line: int) -> None:
        """Handles one message; whatever is wrong with it, the next one is not affected."""
        src = envelope.get("src")
        if type(src) is not str:
            self._broken("no usable src: it must be a string", line)
            return
        engine = self.engine
        try:
            message = Message(src, envelope, line, text)
            if message.called is not None:
                self._called = message.called
            at = envelope.get("at")
            if at is not None or not engine.clock.started:
                engine.go_to(at)
            if self._record is not None:
                self._record_message(message)
            reply = HANDLERS.get(message.type, unknown)(self, message)
            if reply is not None:
                self._answer(
                    message.src, message.called, message.msg_id, message.type + "_ok", reply
                )
                engine.advance_ready()
        except Exception as error:
            self._refuse(src, envelope, line, error)

    def _refuse(self, src: str, envelope: Mapping[str, Any], line: int, error: Exception) -> None:
        """Tells the sender what went wrong, or only the log if the message was itself an answer."""
        if not isinstance(error, MessageError):
            self._log_bug(error)
        called, body = envelope.get("dest"), envelope.get("body")
        if type(called) is str:
            self._called = called
        else:
            called = None
        if is_answer(body):
            if isinstance(error, MessageError):
                self._broken(error.log_line, line)
            return
        msg_id = body.get("msg_id") if isinstance(body, dict) else None
        self._answer_error(src, called, as_id(msg_id), error)

    def _broken(self, text: str, line: int) -> None:
        self._log(f"line {line}: {text}")

    def _record_message(self, message: Message) -> None:
        """Records a message, after what is due at this very instant, as it will be in a replay."""
        assert self._record is not None
        at = self.engine.clock.now
        self.engine.run_until(at)
        dest = message.called or DEFAULT_NAME
        self._record({"src": message.src, "dest": dest, "at": at, "body": message.body})

    # What comes of exchanges.

    def _reply(self, exchange: Exchange, now: float) -> None:
        message: Message = exchange.owner
        if message.body.get("circuit_state") is True:
            exchange.name_circuit()
        if exchange.response is None:
            # It broke off half-way, and nobody has seen the first half.
            assert exchange.local_reply is not None
            exchange.refuse(exchange.local_reply)
        text = response_text(exchange, message.msg_id)
        self._send(message.src, message.called, text, exchange)

    def _crashed(self, exchange: Exchange | None, error: Exception, now: float) -> None:
        """Tells the sender of the request, if it was one, of a bug; nobody else is affected."""
        self._log_bug(error)
        if exchange is not None:
            message: Message = exchange.owner
            self._answer_error(message.src, message.called, message.msg_id, error, exchange)

    def _log_bug(self, error: Exception) -> None:
        import traceback

        self._bug("".join(traceback.format_exception(error)).rstrip())

    def _note(self, now: float, text: str) -> None:
        self._log(f"{now:.3f} s: {text}")

    # Messages out.

    def _answer(
        self,
        to: str,
        called: str | None,
        msg_id: Id,
        name: str,
        members: Mapping[str, Any],
        exchange: Exchange | None = None,
    ) -> None:
        """Sends a reply of the type `name`, from the node under the name `called`."""
        body: dict[str, Any] = {"type": name}
        if msg_id is not None:
            body["in_reply_to"] = loads(msg_id) if type(msg_id) is str else msg_id
        self._send(to, called, dumps({**body, **members}), exchange)

    def _answer_error(
        self,
        to: str,
        called: str | None,
        msg_id: Id,
        error: Exception,
        exchange: Exchange | None = None,
    ) -> None:
        if isinstance(error, MessageError):
            members = {"code": error.code, "text": str(error)}
        else:
            members = {"code": CRASH, "text": f"internal error: {type(error).__name__}"}
        self._answer(to, called, msg_id, "error", members, exchange)

    def _ask(self, dest: str, body: Mapping[str, Any], exchange: Exchange | None) -> None:
        """Sends a request to another node, under the name that the client's request was sent to."""
        called: str | None = self._called
        if exchange is not None and isinstance(exchange.owner, Message):
            called = exchange.owner.called
        self._send(dest, called, dumps(body), None, in_order=False)

    def _send(
        self,
        to: str,
        called: str | None,
        body: str,
        exchange: Exchange | None,
        in_order: bool = True,
    ) -> None:
        """Sends a message, whose `body` is JSON text; `exchange` is what it ends, if it ends one.

        Where replies are to come in order, a message that is none is sent without `in_order`.
        """
        clock = self.engine.clock
        at = clock.shown() if clock.virtual else None
        line = envelope_line(self.name or called or DEFAULT_NAME, to, at, body)
        if self._order is None or not in_order:
            self._out.append(line)
        else:
            self._order.put(line, exchange)
        if self._changed is not None:
            self._changed()


def http_request(node: Receiver, message: Message) -> Reply:
    """Opens an exchange, whose owner is the message; its end is the reply."""
    body = message.body
    request = request_from(body, message.src, message.text)
    kind = _kind(node, body) if node.explain or "explain" in body else Exchange
    node.engine.open(request, message, kind)
    return None


def _kind(node: Receiver, body: Mapping[str, Any]) -> type[Exchange]:
    """Returns the exchange that the body asks for: one that can explain itself, or not."""
    wanted = body.get("explain")
    if wanted not in (None, True, False):
        raise BadMember.at("/body/explain", f"must be true or false, not {json_type(wanted)}")
    if not (wanted or node.explain):
        return Exchange
    from l7proxy.core.trace import Traced

    return Traced


def reply_of_another(node: Receiver, message: Message) -> Reply:
    """Hands the reply of another node to whoever asked; drops one that nobody asked for."""
    node.nodes.receive(message.src, message.body, node.engine.clock.now)
    return None


def unknown(node: Receiver, message: Message) -> Reply:
    """Refuses a type of message that is not in `HANDLERS`."""
    raise UnknownType(message.type)


def imported(reference: str) -> Handler:
    """Returns the handler `module:function`, imported with the first message for it.

    Most conversations need none of these.
    """

    def handle(node: Receiver, message: Message) -> Reply:
        module, _, name = reference.partition(":")
        from importlib import import_module

        handler: Handler = getattr(import_module(module), name)
        return handler(node, message)

    return handle


_HERE = "l7proxy.node."

HANDLERS: dict[str, Handler] = {
    "http_request": http_request,
    "http_response": reply_of_another,
    "error": reply_of_another,
    "init": imported(_HERE + "init:init"),
    "status": imported(_HERE + "administration:status"),
    "backend": imported(_HERE + "administration:set_backend"),
    "add_backend": imported(_HERE + "administration:add_backend"),
    "remove_backend": imported(_HERE + "administration:remove_backend"),
}
"""What is done with a message, by its type.

A handler gets the node and the message. It returns the members of the reply, whose type is the
message's with `_ok` behind it, or None where the reply comes later or there is none. It raises
`BadMember` where the body can't be used.
"""


def is_answer(body: Any) -> bool:
    """Returns whether a message answers another; to answer that in turn could go on for ever."""
    if not isinstance(body, dict):
        return False
    name = body.get("type")
    if name in ("http_response", "error"):
        return True
    return "in_reply_to" in body and not (type(name) is str and name in HANDLERS)


def _upstreams(
    nodes: EnvelopeUpstream, http: Callable[[Pool], Upstream] | None
) -> dict[str, MakeUpstream]:
    """Returns what makes upstreams as configured; without `http` real backends are refused."""

    def real(pool: Pool, streams: RandomStreams) -> Upstream:
        if http is None:
            at = pointer_to(pool.pointer, "upstream")
            problem = "real backends must be in the configuration that the node starts with"
            raise ConfigError([Problem(at, problem)])
        return http(pool)

    return {**SIMULATED, "envelope": lambda pool, streams: nodes, "http": real}


def _both(
    first: Callable[[Exchange, float], None], then: Callable[[Exchange, float], None]
) -> Callable[[Exchange, float], None]:
    def tell(exchange: Exchange, now: float) -> None:
        first(exchange, now)
        then(exchange, now)

    return tell
