"""The base of upstreams, which carry out the attempts that exchanges ask for."""

from __future__ import annotations

from l7proxy.core.mypyc import mypyc_attr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.policies.health_check import Probe


@mypyc_attr(allow_interpreted_subclasses=True)
class Upstream:
    """Where the requests of a pool go."""

    def start(self, exchange: Exchange, now: float) -> None:
        """Carries out the present attempt on `exchange.backend`.

        Either reports its end before returning (`exchange.answered`, `exchange.failed`), or calls
        `exchange.started(now)`, sets `exchange.on_abandon`, and later reports the end and
        calls `dispatch`. After `on_abandon` was called it reports nothing.
        """
        raise NotImplementedError

    @staticmethod
    def dispatch(exchange: Exchange, now: float) -> None:
        """Tells the exchange's dispatcher of an end that was reported later."""
        exchange.dispatch(exchange, now)

    def probe(self, probe: Probe, now: float) -> None:
        """Carries out a health check on `probe.backend`, and reports to the probe."""
        raise NotImplementedError
