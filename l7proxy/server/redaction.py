"""What an access log says in place of credentials: a pseudonym for each, which reveals nothing.

The same credential has the same pseudonym as long as the program runs, in all its workers, so that
what a replay goes by is still told apart: the sessions that were learned, and whose limit a request
counts against. It is a hash under a key that is never written down: without that, not even a
password that can be guessed is found.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING

from l7proxy.core.http.grammar import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from l7proxy.core.config import Config

# Drawn before workers are forked, which therefore share it.
_KEY = os.urandom(32)

_AUTHORIZATION = frozenset(("authorization", "proxy-authorization"))
_COOKIES = frozenset(("cookie", "set-cookie"))
_API_KEY = "x-api-key"
_TESTS_OF_VALUES = ("exact", "prefix", "regex")


class Redaction:
    """Replaces the credentials in a request's header fields.

    These are the values of Authorization, Proxy-Authorization, Cookie, Set-Cookie, X-API-Key, and
    of the fields by which limits tell clients apart. The scheme of an authorization stays, as do
    the names of cookies, and the values of those that are no secret: the proxy's own, which only
    name a backend, and those whose values a route goes by.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._keys = {_API_KEY}
        self._open_cookies: set[str] = set()
        if config is not None:
            self._keys.update(map(plain_name, _fields_of_keys(config)))
            self._open_cookies.update(_cookies_without_secrets(config))

    def applied(self, fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Returns the fields as they may be written down."""
        return [(name, self._shown(plain_name(name), value)) for name, value in fields]

    def _shown(self, name: str, value: str) -> str:
        if name in _COOKIES:
            return ";".join(map(self._cookie, value.split(";")))
        if name in _AUTHORIZATION:
            scheme, space, rest = value.partition(" ")
            return f"{scheme} {pseudonym(rest)}" if space else pseudonym(value)
        return pseudonym(value) if name in self._keys else value

    def _cookie(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        if name.strip(" \t") in self._open_cookies:
            return pair
        return f"{name}={pseudonym(value.strip())}" if equals else pseudonym(pair.strip())


def pseudonym(value: str) -> str:
    """Returns what is written down in place of a value."""
    digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8, key=_KEY)
    return f"redacted-{digest.hexdigest()}"


def _fields_of_keys(config: Config) -> Iterator[str]:
    if config.rate_limits is not None:
        yield config.rate_limits.api_key_header
    limits = [route.rate_limit for route in config.effective_routes]
    limits += [pool.rate_limit for pool in config.backend_pools.values()]
    if config.default is not None:
        limits.append(config.default.rate_limit)
    for limit in limits:
        if limit is not None and limit.per.startswith("header:"):
            yield limit.per.removeprefix("header:")


def _cookies_without_secrets(config: Config) -> Iterator[str]:
    for pool in config.backend_pools.values():
        if pool.sticky is not None and pool.sticky.cookie is not None:
            yield pool.sticky.cookie.name
    for route in config.effective_routes:
        for name, match in (route.cookies or {}).items():
            if any(getattr(match, test) is not None for test in _TESTS_OF_VALUES):
                yield name
