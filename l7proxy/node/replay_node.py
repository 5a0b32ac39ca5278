"""Nodes for replay node: one that only plays, and one that shows what it does."""

from __future__ import annotations

from l7proxy.core.config import KEYS
from l7proxy.envelope.errors import BadMember
from l7proxy.node.node import Node
from l7proxy.upstreams.simulated import Simulated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.random_streams import RandomStreams
    from l7proxy.upstreams.base import Upstream


class ReplayNode(Node):
    """Decides exactly as the node does, and spends nothing on decoding and encoding.

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
        self._configured = configured
        self._noted = noted
        self._simulated = simulated
        self._settled = settled
        super().__init__(config, random, _unheard, virtual_time=True, secrets=secrets)

    @property
    def proxy(self) -> Proxy:
        """The proxy whose configuration is in force."""
        return self._dispatchers[-1].proxy

    def play(self, envelope: Mapping[str, Any], number: int) -> None:
        """Handles an envelope; what it brings about is told to `ended`."""
        if self._settled and envelope["body"].get("type") == "init":
            body = {k: v for k, v in envelope["body"].items() if k not in KEYS}
            envelope = {**envelope, "body": body}
        self._handle(envelope, number)

    def end(self) -> None:
        """Lets everything that is in flight come to its end."""
        self.drain(0.0)

    def _deliver(self, exchange: Exchange, now: float) -> None:
        self._in_flight.pop(exchange, None)
        self._ended(exchange.owner.line, exchange, now)

    def _send(
        self, to: str, called: str, body: Mapping[str, Any], exchange: Exchange | None = None
    ) -> None:
        """Nobody hears what is said."""

    def _ask(self, dest: str, body: Mapping[str, Any], exchange: Exchange | None) -> None:
        """Other nodes do not hear it either: what they answered comes with the traffic."""

    def _error(
        self,
        src: str,
        called: str,
        msg_id: int | None,
        code: int,
        text: str,
        exchange: Exchange | None = None,
    ) -> None:
        self.refused += 1

    def _note(self, now: float, text: str) -> None:
        if self._noted is not None:
            self._noted(now, text)

    def _configure(self, config: Config) -> None:
        super()._configure(config)
        if self._configured is not None:
            self._configured(self.proxy)

    def _upstream(self, pool: Pool, streams: RandomStreams) -> Upstream:
        if self._simulated or pool.config.upstream != "envelope":
            return Simulated(pool, streams)
        return super()._upstream(pool, streams)


def _unheard(line: str) -> None:
    """The log of a node that nobody listens to."""


class RecordingNode(Node):
    """A node as it is, which shows the exchanges that it answers: for tests of a configuration."""

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
        self._seen = seen
        self._configured = configured
        super().__init__(config, random, log, secrets=secrets)

    def at(self, seconds: float) -> bytes:
        """Lets virtual time go on to `seconds`; raises ValueError where it would run backwards."""
        try:
            self._keep_time(seconds)
        except BadMember as error:
            raise ValueError(str(error)) from None
        return self._flush()

    def _deliver(self, exchange: Exchange, now: float) -> None:
        self._seen(exchange)
        super()._deliver(exchange, now)

    def _configure(self, config: Config) -> None:
        super()._configure(config)
        if self._configured is not None:
            self._configured(self._dispatchers[-1].proxy)

    def _upstream(self, pool: Pool, streams: RandomStreams) -> Upstream:
        if pool.config.upstream != "envelope":
            return Simulated(pool, streams)
        return super()._upstream(pool, streams)
