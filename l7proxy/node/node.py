"""The node: a conversation in envelopes, bytes in and bytes out."""

from __future__ import annotations

from random import Random

from l7proxy.core.config import ConfigError, Problem, amended
from l7proxy.core.config.problems import json_type, pointer_to
from l7proxy.core.exchange import ENDED, MIRRORED, Exchange
from l7proxy.core.http.local_reply import DRAINING
from l7proxy.core.proxy import Proxy
from l7proxy.core.timers import Timers
from l7proxy.envelope.codec import (
    CRASH,
    MALFORMED,
    NOT_SUPPORTED,
    EnvelopeDecoder,
    encode_envelope,
)
from l7proxy.envelope.framing import DEFAULT_LIMIT, Framer
from l7proxy.envelope.members import BadMember
from l7proxy.envelope.request import request_from
from l7proxy.envelope.response import response_body
from l7proxy.node.clock import Clock
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.envelope import EnvelopeUpstream
from l7proxy.upstreams.simulated import Simulated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.random_streams import RandomStreams
    from l7proxy.node.in_order import InOrderWriter
    from l7proxy.upstreams.base import Upstream

    Handler = Callable[["Node", "Envelope"], None]

DEFAULT_NAME = "l7_proxy"
INIT_MEMBERS = ("type", "msg_id", "in_reply_to", "node_id", "node_ids")
"""The members of an `init` that are certainly no configuration."""


class Envelope:
    """A message that came in: who sent it, what we were called, its body and its id.

    `line` is where it starts.
    """

    __slots__ = ("body", "called", "kind", "line", "msg_id", "src")

    def __init__(
        self,
        src: str,
        called: str,
        kind: str,
        msg_id: int | None,
        body: Mapping[str, Any],
        line: int,
    ) -> None:
        self.src = src
        self.called = called
        self.kind = kind
        self.msg_id = msg_id
        self.body = body
        self.line = line


class Node:
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
        simulate: bool = False,
        ordered: bool = False,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work.

        `secrets` reads the keys that a configuration names; see `core.affinity.Secrets`. With
        `explain` every reply to a request says why. `record(envelope)` gets every message that
        is handled, with the time at which it is as its `at`.

        `http` makes the upstream of a pool whose backends are real; without it, pools with
        `"upstream": "http"` are refused, unless their backends, and those of all other pools, are
        to be simulated. With it time is the wall clock's, whatever envelopes say. `ordered` has
        requests answered in the order in which they came.
        """
        self._explain = explain
        self._http = http
        self._simulate = simulate
        self._record = record
        self._random = random
        self._log = log
        self._bug = bug or log
        self._secrets = secrets
        self._name: str | None = None
        self._called = DEFAULT_NAME
        """What we were called last: the name on what comes of no message."""
        self._clock = Clock(virtual=virtual_time)
        self._timers = Timers()
        self._out: list[bytes] = []
        self._order: InOrderWriter | None = None
        if ordered:
            from l7proxy.node.in_order import InOrderWriter

            self._order = InOrderWriter(self._out)
        self._changed: Callable[[], None] | None = None
        self._in_flight: dict[Exchange, None] = {}
        self._draining = False
        self._framer = Framer(EnvelopeDecoder(), self._handle, self._broken, limit)
        self._nodes = EnvelopeUpstream(self._ask)
        self._dispatchers: list[Dispatcher] = []
        """The present configuration's is the last; those before it only finish what they have."""
        self._configure(config)

    # Bytes and time.

    def feed(self, data: bytes, now: float) -> bytes:
        """Takes input as it comes and returns every answer that it brings about."""
        instant = self._clock.follow_wall(now)
        if self._http is None:
            self._let_happen(instant)
        # What real backends have sent may not be read yet: whether they are late, `advance` says.
        self._framer.feed(data)
        return self._flush()

    def advance(self, now: float) -> bytes:
        """Lets everything happen that is due by `now`."""
        self._let_happen(self._clock.follow_wall(now))
        return self._flush()

    def output(self) -> bytes:
        """What has come about since, not by input nor by time, but by what a backend did."""
        return self._flush()

    def now(self, wall: float) -> float:
        """The core's time (seconds) at the wall clock's `wall`."""
        return self._clock.follow_wall(wall)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Has `changed` called when there may be something to write, or something due sooner."""
        self._changed = changed
        self._timers.on_sooner = lambda due: changed()

    def next_deadline(self) -> float | None:
        """The next instant at which `advance` has something to do.

        None where there is none, in virtual time, and before the first message.
        """
        due = self._timers.next_deadline()
        clock = self._clock
        return None if due is None or clock.virtual or not clock.started else clock.on_wall(due)

    def finish(self, now: float) -> bytes:
        """The input has ended.

        In virtual time everything that is pending runs out. On the wall clock answers to what is
        in flight still come from `advance`, until the node is `idle`; what other nodes were asked
        can't be answered any more, so it is at once.
        """
        self._clock.follow_wall(now)
        self._framer.close()
        if not self._clock.virtual:
            for exchange in list(self._in_flight):
                assert exchange.pool is not None
                if exchange.pool.config.upstream == "envelope":
                    self._cut_off(exchange)
        return self.drain(now)

    def drain(self, now: float) -> bytes:
        """Finishes what is in flight; requests that still come in are answered 503.

        Until the node is `idle` input is still wanted, for the answers of other nodes.
        """
        self._draining = True
        self._dispatchers[-1].proxy.draining = True
        if self._clock.virtual:
            self._run_out()
            return self.abort(now)
        return self._flush()

    def abort(self, now: float) -> bytes:
        """Answers everything that is still in flight with a 503."""
        for dispatcher in self._dispatchers:
            dispatcher.proxy.give_up_waiting()
        for exchange in list(self._in_flight):
            self._cut_off(exchange)
        return self._flush()

    @property
    def idle(self) -> bool:
        """Whether every request has its answer."""
        return not self._in_flight

    @property
    def load(self) -> int:
        """How many requests real backends have, or will have as soon as they have a place."""
        return sum(
            pool.active + len(pool.queue)
            for dispatcher in self._dispatchers
            for pool in dispatcher.proxy.pools.values()
            if pool.config.upstream == "http"
        )

    def _let_happen(self, until: float) -> None:
        """Everything that is due by `until`, in order of time.

        Simulated time passes instant by instant; to real backends it is `until` already.
        """
        if not self._clock.started:
            return
        is_real = self._http is not None
        run = self._timers.catch_up if is_real else self._timers.advance
        while (due := self._timers.next_deadline()) is not None and due <= until:
            now = until if is_real else due
            self._clock.now = max(self._clock.now, now)
            try:
                run(now)
                for dispatcher in self._dispatchers:
                    dispatcher.advance_ready(now)
            except Exception as error:
                self._log_bug(error)
        self._clock.now = max(self._clock.now, until)

    def _run_out(self) -> None:
        """Lets everything happen that is pending, whenever it is due."""
        # Whatever has a deadline ends. What has none may hang while health checks go on for
        # ever: without those, what is left to happen comes to an end too.
        while any(exchange.has_deadline for exchange in self._in_flight):
            due = self._timers.next_deadline()
            assert due is not None
            self._let_happen(due)
        for dispatcher in self._dispatchers:
            dispatcher.proxy.stop()
        while self._in_flight and (due := self._timers.next_deadline()) is not None:
            self._let_happen(due)

    def _cut_off(self, exchange: Exchange) -> None:
        exchange.cancelled(self._clock.now)
        exchange.refuse(DRAINING)
        self._deliver(exchange, self._clock.now)

    def _flush(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    # Messages in.

    def _handle(self, value: Mapping[str, Any], line: int) -> None:
        """Handles one message; whatever is wrong with it, the next one is not affected."""
        src = value.get("src")
        if type(src) is not str:
            self._broken("no usable src: it must be a string", line)
            return
        dest = value.get("dest")
        called = DEFAULT_NAME
        if type(dest) is str:
            called = self._called = dest
        body = value.get("body")
        given_id = body.get("msg_id") if isinstance(body, dict) else None
        msg_id = given_id if type(given_id) is int else None
        try:
            self._check(value)
            self._keep_time(value.get("at"))
            assert isinstance(body, dict)
            if self._record is not None:
                # What is due at this very instant comes first, as it will in the replay.
                at = self._clock.now
                self._let_happen(at)
                self._record({"src": src, "dest": called, "at": at, "body": body})
            envelope = Envelope(src, called, body["type"], msg_id, body, line)
            HANDLERS.get(envelope.kind, Node._operation)(self, envelope)
        except BadMember as error:
            if _is_answer(body):
                self._broken(f"a reply was dropped: {error}", line)
            else:
                self._error(src, called, msg_id, MALFORMED, str(error))
        except Exception as error:
            self._log_bug(error)
            if not _is_answer(body):
                said = f"internal error: {type(error).__name__}"
                self._error(src, called, msg_id, CRASH, said)

    def _check(self, value: Mapping[str, Any]) -> None:
        """Raises `BadMember` where the envelope is not a message."""
        repeated = getattr(value, "repeated", ())
        if repeated:
            raise BadMember.at("", f'the key "{repeated[0]}" is written more than once')
        body = value.get("body")
        if not isinstance(body, dict):
            raise BadMember.at("/body", f"must be an object, not {json_type(body)}")
        if type(body.get("type")) is not str:
            raise BadMember.at("/body/type", "must be a string")
        if body.get("msg_id") is not None and type(body["msg_id"]) is not int:
            raise BadMember.at("/body/msg_id", "must be a whole number")

    def _keep_time(self, at: Any) -> None:
        """Goes on to `at`, where an envelope has that; with the first one time begins."""
        clock = self._clock
        if at is not None and self._http is not None:
            raise BadMember.at("/at", "real backends take the time they take")
        begins = not clock.started
        try:
            instant = clock.now if at is None else clock.read(at)
        except ValueError as error:
            raise BadMember.at("/at", str(error)) from None
        if begins:
            clock.start()
            self._dispatchers[-1].proxy.start(clock.now)
        if at is not None:
            self._let_happen(instant)

    def _broken(self, text: str, line: int) -> None:
        self._log(f"line {line}: {text}")

    # What is done with them.

    def _http_request(self, envelope: Envelope) -> None:
        body = envelope.body
        request = request_from(body, envelope.src)
        kind = self._kind(body) if self._explain or "explain" in body else Exchange
        exchange = self._dispatchers[-1].open(request, envelope, self._clock.now, kind=kind)
        if exchange.state is not ENDED:
            self._in_flight[exchange] = None
            if self._order is not None:
                self._order.expect(exchange)

    def _kind(self, body: Mapping[str, Any]) -> type[Exchange]:
        """The kind of exchange that the body asks for: one that can explain itself, or not."""
        wanted = body.get("explain")
        if wanted not in (None, True, False):
            raise BadMember.at("/body/explain", f"must be true or false, not {json_type(wanted)}")
        if not (wanted or self._explain):
            return Exchange
        from l7proxy.core.trace import Traced

        return Traced

    def _deliver(self, exchange: Exchange, now: float) -> None:
        envelope: Envelope = exchange.owner
        self._in_flight.pop(exchange, None)
        if envelope.body.get("circuit_state") is True:
            exchange.name_circuit()
        if exchange.response is None:
            # It broke off half-way, and nobody has seen the first half.
            assert exchange.local_reply is not None
            exchange.refuse(exchange.local_reply)
        reply = response_body(exchange, envelope.msg_id)
        self._send(envelope.src, envelope.called, reply, exchange)

    def _crash(self, exchange: Exchange, error: Exception, now: float) -> None:
        """A bug ended the exchange: its sender is told, and everyone else is not affected."""
        self._log_bug(error)
        if exchange.owner is MIRRORED:
            return
        envelope: Envelope = exchange.owner
        self._in_flight.pop(exchange, None)
        text = f"internal error: {type(error).__name__}"
        self._error(envelope.src, envelope.called, envelope.msg_id, CRASH, text, exchange)

    def _log_bug(self, error: Exception) -> None:
        import traceback

        self._bug("".join(traceback.format_exception(error)).rstrip())

    def _reply_of_another(self, envelope: Envelope) -> None:
        """An answer to something that we asked, or else nothing that we could answer in turn."""
        self._nodes.receive(envelope.src, envelope.body, self._clock.now)

    def _init(self, envelope: Envelope) -> None:
        body = envelope.body
        node_id = body.get("node_id")
        if node_id is not None and type(node_id) is not str:
            raise BadMember.at("/body/node_id", f"must be a string, not {json_type(node_id)}")
        before = self._dispatchers[-1].proxy.config
        try:
            config = amended(before, {k: v for k, v in body.items() if k not in INIT_MEMBERS})
            if config is not before:
                self._configure(config)
        except ConfigError as error:
            raise BadMember(problem.under("/body") for problem in error.problems) from None
        if node_id is not None:
            self._name = node_id
        self._answer(envelope, "init_ok", {})

    def _operation(self, envelope: Envelope) -> None:
        """Looks at the pools or changes them; any other type of message is not supported."""
        # Imported here because most conversations need none of it.
        from l7proxy.node.administration import OPERATIONS

        operation = OPERATIONS.get(envelope.kind)
        if operation is not None:
            dispatcher = self._dispatchers[-1]
            reply = operation(dispatcher.proxy, envelope.body, self._clock.now)
            if envelope.kind == "status":
                reply["replies_dropped"] = self._nodes.dropped
            self._answer(envelope, f"{envelope.kind}_ok", reply)
            dispatcher.advance_ready(self._clock.now)
        elif _is_answer(envelope.body):
            self._broken(f'a reply of type "{envelope.kind}" was dropped', envelope.line)
        else:
            text = f'no message type "{envelope.kind}"'
            self._error(envelope.src, envelope.called, envelope.msg_id, NOT_SUPPORTED, text)

    # Messages out.

    def _answer(self, envelope: Envelope, kind: str, members: Mapping[str, Any]) -> None:
        body: dict[str, Any] = {"type": kind}
        if envelope.msg_id is not None:
            body["in_reply_to"] = envelope.msg_id
        self._send(envelope.src, envelope.called, {**body, **members})

    def _error(
        self,
        src: str,
        called: str,
        msg_id: int | None,
        code: int,
        text: str,
        exchange: Exchange | None = None,
    ) -> None:
        body: dict[str, Any] = {"type": "error"}
        if msg_id is not None:
            body["in_reply_to"] = msg_id
        self._send(src, called, {**body, "code": code, "text": text}, exchange)

    def _ask(self, dest: str, body: Mapping[str, Any], exchange: Exchange | None) -> None:
        owner = None if exchange is None else exchange.owner
        called = owner.called if isinstance(owner, Envelope) else self._called
        self._out.append(self._line(dest, called, body))
        if self._changed is not None:
            self._changed()

    def _send(
        self, to: str, called: str, body: Mapping[str, Any], exchange: Exchange | None = None
    ) -> None:
        """Answers; `exchange` is what this ends, if it ends one."""
        line = self._line(to, called, body)
        if self._order is None:
            self._out.append(line)
        else:
            self._order.put(line, exchange)
        if self._changed is not None:
            self._changed()

    def _line(self, to: str, called: str, body: Mapping[str, Any]) -> bytes:
        at = self._clock.shown() if self._clock.virtual else None
        return encode_envelope(self._name or called, to, at, body)

    # Configuration.

    def _configure(self, config: Config) -> None:
        """Puts a configuration to work; what is in flight ends under the one it began with."""
        proxy = Proxy(config, self._random, self._timers, self._note, self._secrets)
        upstreams = {
            name: self._upstream(pool, proxy.streams) for name, pool in proxy.pools.items()
        }
        proxy.draining = self._draining
        for dispatcher in self._dispatchers:
            dispatcher.proxy.stop()
        if self.idle:
            self._dispatchers.clear()
        self._dispatchers.append(Dispatcher(proxy, upstreams, self._deliver, self._crash))
        if self._clock.started:
            proxy.start(self._clock.now)

    def _upstream(self, pool: Pool, streams: RandomStreams) -> Upstream:
        kind = "simulated" if self._simulate else pool.config.upstream
        if kind == "envelope":
            return self._nodes
        if kind == "simulated":
            return Simulated(pool, streams)
        if self._http is None:
            at = pointer_to(pool.pointer, "upstream")
            problem = "real backends must be in the configuration that the node starts with"
            raise ConfigError([Problem(at, problem)])
        return self._http(pool)

    def _note(self, now: float, text: str) -> None:
        self._log(f"{now:.3f} s: {text}")


def _is_answer(body: Any) -> bool:
    """Whether a message answers another: an answer to that in turn could go on for ever."""
    from l7proxy.node.administration import OPERATIONS

    if not isinstance(body, dict):
        return False
    kind = body.get("type")
    asks = kind in ("http_request", "init", *OPERATIONS)
    return kind in ("http_response", "error") or ("in_reply_to" in body and not asks)


HANDLERS: dict[str, Handler] = {
    "http_request": Node._http_request,
    "http_response": Node._reply_of_another,
    "error": Node._reply_of_another,
    "init": Node._init,
}
"""What is done with a message, by its type."""
