"""The base of affinities: they find the backend that a client had, and note the one it has now."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import Headers, HttpRequest
    from l7proxy.core.pool.backend import Backend

    Secrets = Callable[[str, str], bytes]
    """Reads a key: `secrets("file", path)` or `secrets("env", variable)`.

    Raises ValueError, with a text for people that does not contain the key, where it can't.
    """


class BadKey(ValueError):
    """A key can't be read or used; `field` is the member of the configuration that names it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Affinity:
    """Pins clients to the backends of one pool; `by_name` are the backends that it has now."""

    method = ""
    """The name of this kind of affinity in the configuration and in the `status` message."""

    def __init__(self, cookie: str, by_name: Mapping[str, Backend]) -> None:
        self.cookie = cookie
        self._by_name = by_name
        self._honoured = 0
        self._assigned = 0
        self._replaced = 0

    def find(self, request: HttpRequest, now: float) -> Backend | None:
        """Returns the backend that the client had, eligible or not; None where it had none."""
        raise NotImplementedError

    def commit(self, exchange: Exchange, headers: Headers | None, now: float) -> str | None:
        """Pins the client to the exchange's backend, which begins to answer.

        `headers` are those of the response, where the upstream has any. Returns the Set-Cookie
        value for the client; None where it has that cookie already.
        """
        before = exchange.pinned
        if before is exchange.backend:
            self._honoured += 1
        elif before is None:
            self._assigned += 1
        else:
            self._replaced += 1
        return self._pin(exchange, headers, now)

    def header(self, exchange: Exchange) -> str | None:
        """Returns the Set-Cookie value for an HTTP client, if any; see `exchange.set_cookie`."""
        return exchange.set_cookie

    def added(self, backend: Backend) -> None:
        """Hears that a backend joined the pool."""

    def handover_from(self, before: Affinity) -> None:
        """Takes over what the pool's affinity under another configuration knows."""

    def snapshot(self) -> dict[str, Any]:
        """Returns its state, for people and for the `status` message."""
        return {
            "kind": self.method,
            "cookie": self.cookie,
            "honoured": self._honoured,
            "assigned": self._assigned,
            "replaced": self._replaced,
        }

    def _pin(self, exchange: Exchange, headers: Headers | None, now: float) -> str | None:
        """Pins the client to the exchange's backend; returns the Set-Cookie value, as `commit`."""
        raise NotImplementedError
