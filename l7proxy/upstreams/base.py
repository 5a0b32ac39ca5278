"""What an upstream is: it carries out the attempts that exchanges ask for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.health import Probe


class Upstream:
    """Where the requests of a pool go."""

    carry: Callable[[Exchange, float], None]
    """The carrier's: takes an exchange on after an end that was reported later."""

    def start(self, exchange: Exchange, now: float) -> None:
        """Carries out the present attempt on `exchange.backend`.

        Either reports its end before returning (`exchange.answered`, `exchange.failed`), or calls
        `exchange.under_way(now)`, sets `exchange.abandon`, and later reports the end and hands
        the exchange to `carry`.
        """
        raise NotImplementedError

    def probe(self, probe: Probe, now: float) -> None:
        """Carries out a health check on `probe.backend`, and reports to the probe."""
        raise NotImplementedError
