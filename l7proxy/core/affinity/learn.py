"""Learned sessions: the application's session cookies, and the backends that answered them last.

A session is learned from a request that carries the cookie, or from a response that sets it (the
response wins: that is the session that the client has from now on). A client with neither is given
a session of the proxy's own. The table keeps digests instead of the ids themselves, so each session
takes the same memory and the table holds no session that could be stolen.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from l7proxy.core.affinity.base import Affinity
from l7proxy.core.http.cookies import cookie_pairs, cookies_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random
    from typing import Any

    from l7proxy.core.config.affinity import LearnConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import Headers, HttpRequest
    from l7proxy.core.pool.backend import Backend

HEADER_ATTRIBUTES = "; Path=/; HttpOnly"


class Sessions:
    """A table of at most `limit` sessions, each forgotten `ttl` seconds after its last use.

    Iterates over the digests under which they are kept. Every operation is O(1): all live equally
    long, so in order of use they also expire in order.
    """

    __slots__ = ("_table", "limit", "ttl")

    def __init__(self, limit: int, ttl: float) -> None:
        self.limit = limit
        self.ttl = ttl
        self._table: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._table)

    def get(self, session: str, now: float) -> str | None:
        """Returns the name that was put there, and renews the session; None if it is forgotten."""
        return self.find(_digest(session), now)

    def find(self, key: bytes, now: float) -> str | None:
        """Returns as `get` does, by the digest of the session."""
        entry = self._table.get(key)
        if entry is None:
            return None
        name, used = entry
        if used + self.ttl <= now:
            del self._table[key]
            return None
        self._table[key] = name, now
        self._table.move_to_end(key)
        return name

    def put(self, session: str, name: str, now: float) -> None:
        """Remembers a name; sessions that expired, or else the longest unused one, make room."""
        table, key = self._table, _digest(session)
        table[key] = name, now
        table.move_to_end(key)
        # Two for each new one: sessions that expired are cleared away faster than they gather.
        for _ in range(2):
            oldest = next(iter(table.values()), None)
            if oldest is None or (oldest[1] + self.ttl > now and len(table) <= self.limit):
                break
            table.popitem(last=False)


class Learned(Affinity):
    """Brings each session to the backend that answered it last."""

    method = "learn"

    def __init__(self, config: LearnConfig, by_name: Mapping[str, Backend], random: Random) -> None:
        super().__init__(config.cookie, by_name)
        self._random = random
        self.sessions = Sessions(config.max_sessions, config.ttl)

    def find(self, request: HttpRequest, now: float) -> Backend | None:
        session = cookies_of(request).get(self.cookie)
        name = self.sessions.get(session, now) if session else None
        return None if name is None else self._by_name.get(name)

    def header(self, exchange: Exchange) -> str | None:
        """Returns a Set-Cookie value for a new session only.

        One that the client has is the application's cookie: setting it again could change its
        attributes, and there is nothing in it to change.
        """
        if exchange.set_cookie is None or cookies_of(exchange.request).get(self.cookie):
            return None
        return exchange.set_cookie.partition(";")[0] + HEADER_ATTRIBUTES

    def handover_from(self, before: Affinity) -> None:
        if isinstance(before, Learned) and before.cookie == self.cookie:
            kept, made = before.sessions, self.sessions
            kept.limit, kept.ttl = made.limit, made.ttl
            self.sessions = kept

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "sessions": len(self.sessions)}

    def _pin(self, exchange: Exchange, headers: Headers | None, now: float) -> str | None:
        backend = exchange.backend
        assert backend is not None
        issued = None if headers is None else self._issued(headers)
        if issued:
            self.sessions.put(issued, backend.name, now)
            return None
        if backend is exchange.pinned:
            return None
        session = cookies_of(exchange.request).get(self.cookie)
        if not session:
            session = f"{self._random.getrandbits(128):032x}"
        self.sessions.put(session, backend.name, now)
        return f"{self.cookie}={session}; backend={backend.name}"

    def _issued(self, headers: Headers) -> str | None:
        """Returns the session that the application's response sets; the last one counts."""
        lines = (cookie_pairs(line)[:1] for line in headers.all("set-cookie"))
        values = [value for pairs in lines for name, value in pairs if name == self.cookie]
        return values[-1] if values else None


def _digest(session: str) -> bytes:
    return blake2b(session.encode("utf-8", "surrogatepass"), digest_size=16).digest()
