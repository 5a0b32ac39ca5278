"""Nodes for tools: one that only plays, and one that shows the exchanges that it answers."""

from __future__ import annotations

from l7proxy.core.callbacks import ignore
from l7proxy.core.config import KEYS
from l7proxy.node.engine import SIMULATED, Engine
from l7proxy.node.message import Message, Receiver
from l7proxy.node.node import HANDLERS, Node, is_answer, unknown
from l7proxy.upstreams.envelope import EnvelopeUpstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.proxy import Proxy


class ReplayNode(Receiver):
    """Decides exactly as the node does, from envelopes already decoded, and answers nothing.

    - `ended(line, exchange, now)` is called for each request with the number it was played under
    - `configured(proxy)` is called for each configuration that is put to work
    - `noted(now, text)` gets the changes of backends' states, as the log does
    - every backend is simulated, except that the answers of other nodes are taken from the
      envelopes; with `simulated` these are simulated, too
    - with `settled` a configuration that comes in an `init` is not listened to

    `refused` counts requests that were no valid messages and so were never decided upon.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        ended: Callable[[int, Exchange, float], None],
        *,
        configured: Callable[[Proxy], None] | None = None,
        noted: Callable[[float, str], None] | None = None,
        secrets: Secrets | None = None,
        simulated: bool = False,
        settled: bool = False,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work."""
        self.refused = 0
        self._ended = ended
        self._settled = settled
        nodes = EnvelopeUpstream(ignore)
        others = {} if simulated else {"envelope": lambda pool, streams: nodes}
        engine = Engine(
            config,
            random,
            self._delivered,
            self._crashed,
            on_configured=configured or ignore,
            on_note=noted or ignore,
            upstreams={**SIMULATED, **others},
            secrets=secrets,
            virtual_time=True,
        )
        super().__init__(engine, nodes)

    @property
    def proxy(self) -> Proxy:
        """The proxy whose configuration is in force."""
        return self.engine.proxy

    def play(self, envelope: Mapping[str, Any], number: int) -> None:
        """Handles an envelope; what it brings about is told to `ended`."""
        body = envelope["body"]
        if self._settled and body.get("type") == "init":
            body = {k: v for k, v in body.items() if k not in KEYS}
            envelope = {**envelope, "body": body}
        src = envelope.get("src")
        if type(src) is not str:
            return
        try:
            message = Message(src, envelope, number)
            self.engine.go_to(envelope.get("at"))
            if HANDLERS.get(message.type, unknown)(self, message) is not None:
                self.engine.advance_ready()
        except Exception:
            if not is_answer(body):
                self.refused += 1

    def play_request(self, request: HttpRequest, at: float, number: int) -> None:
        """Handles a request at `at` (seconds); what comes of it is told to `ended`."""
        self.engine.go_to(at)
        self.engine.open(request, number)

    def end(self) -> None:
        """Lets everything that is in flight come to its end."""
        self.engine.drain()

    def _delivered(self, exchange: Exchange, now: float) -> None:
        owner = exchange.owner
        self._ended(owner if type(owner) is int else owner.line, exchange, now)

    def _crashed(self, exchange: Exchange | None, error: Exception, now: float) -> None:
        if exchange is not None:
            self.refused += 1


class RecordingNode(Node):
    """A node as it is, which shows the exchanges that it answers: for tests of a configuration.

    Real backends are simulated. `seen(exchange)` is told of each exchange before it is answered.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        log: Callable[[str], None],
        seen: Callable[[Exchange], None],
        *,
        configured: Callable[[Proxy], None] | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work."""
        super().__init__(
            config,
            random,
            log,
            secrets=secrets,
            upstreams={"http": SIMULATED["http"]},
            on_delivered=lambda exchange, now: seen(exchange),
            on_configured=configured or ignore,
        )
