"""Nodes for tools: one that is played recorded traffic, and one that shows its exchanges."""

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
    """Decides exactly as the node does, from messages already decoded, and replies to nobody.

    - `on_ended(number, exchange, now)` is called for each request, with the number that it was
      played under;
    - `on_configured(proxy)` and `on_note(now, text)` are called as `Engine` calls them;
    - every backend is simulated, except that the replies of other nodes are taken from the
      traffic; with `simulated` these nodes are simulated, too;
    - with `ignore_init` the configuration stays, whatever an `init` brings.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        on_ended: Callable[[int, Exchange, float], None],
        *,
        on_configured: Callable[[Proxy], None] = ignore,
        on_note: Callable[[float, str], None] = ignore,
        secrets: Secrets | None = None,
        simulated: bool = False,
        ignore_init: bool = False,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work."""
        self.refused = 0
        """How many messages were not valid, or met a bug, and so were not decided upon."""
        self._on_ended = on_ended
        self._ignore_init = ignore_init
        nodes = EnvelopeUpstream(ignore)
        others = {} if simulated else {"envelope": lambda pool, streams: nodes}
        engine = Engine(
            config,
            random,
            self._delivered,
            self._crashed,
            on_configured=on_configured,
            on_note=on_note,
            upstreams={**SIMULATED, **others},
            secrets=secrets,
            virtual_time=True,
        )
        super().__init__(engine, nodes)

    def play(self, envelope: Mapping[str, Any], number: int) -> None:
        """Handles an envelope, as the node does."""
        body = envelope["body"]
        if self._ignore_init and body.get("type") == "init":
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
        """Handles a request at `at` (seconds), as if an envelope had brought it."""
        self.engine.go_to(at)
        self.engine.open(request, number)

    def end(self) -> None:
        """Lets everything that is in flight come to its end."""
        self.engine.drain()

    def _delivered(self, exchange: Exchange, now: float) -> None:
        owner = exchange.owner
        self._on_ended(owner if type(owner) is int else owner.line, exchange, now)

    def _crashed(self, exchange: Exchange | None, error: Exception, now: float) -> None:
        if exchange is not None:
            self.refused += 1


class RecordingNode(Node):
    """A node that shows the exchanges that it answers, for tests of a configuration.

    `on_exchange(exchange)` is called before each is answered, and `on_configured(proxy)` as
    `Engine` calls it. Real backends are simulated.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        log: Callable[[str], None],
        on_exchange: Callable[[Exchange], None],
        *,
        on_configured: Callable[[Proxy], None] = ignore,
        secrets: Secrets | None = None,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work."""
        super().__init__(
            config,
            random,
            log,
            secrets=secrets,
            upstreams={"http": SIMULATED["http"]},
            on_delivered=lambda exchange, now: on_exchange(exchange),
            on_configured=on_configured,
        )
