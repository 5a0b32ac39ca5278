"""The proxy's own cookie, which names a backend to those who have the key, and nothing to others.

A backend's cookie is 24 bytes of HMAC-SHA256 (RFC 2104) over the names of its pool and itself, as
32 characters of base64url; HAProxy's `dynamic-cookie-key` works alike. It is the same for every
client and on every replica with the key, so it is made once, when the configuration is loaded:
honouring one is a look-up, with no cryptography and no memory for each session. Without the key
nobody can make one, nor learn anything from one but that two clients share a backend.

The first 8 characters find the backend, and the other 24 (144 bits) prove that the cookie was
issued; only they are secret, and they are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode

from l7proxy.core.affinity.base import Affinity, BadKey
from l7proxy.core.http.cookies import cookies_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from l7proxy.core.affinity.base import Secrets
    from l7proxy.core.config.affinity import StickyCookieConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import Headers, HttpRequest
    from l7proxy.core.pool.backend import Backend

SHORTEST_KEY = 16
"""Bytes: a key that can be guessed protects nothing."""

_FINDING = 8
"""The characters of a cookie's value by which its backend is found."""


def read_key(config: StickyCookieConfig, secrets: Secrets | None) -> bytes:
    """Returns the key, without white space around it; raises `BadKey`."""
    if config.key_file is not None:
        field, source, name = "key_file", "file", config.key_file
    else:
        field, source, name = "key_env", "env", config.key_env or ""
    if secrets is None:
        raise BadKey(field, "keys can't be read here")
    try:
        key = secrets(source, name).strip()
    except ValueError as error:
        raise BadKey(field, str(error)) from None
    if len(key) < SHORTEST_KEY:
        raise BadKey(field, f"the key needs at least {SHORTEST_KEY} bytes, not {len(key)}")
    return key


class SealedCookie(Affinity):
    """Honours the cookies that it, or another with the same key, issued for this pool."""

    method = "cookie"

    def __init__(
        self,
        config: StickyCookieConfig,
        pool_name: str,
        by_name: Mapping[str, Backend],
        key: bytes,
    ) -> None:
        super().__init__(config.name, by_name)
        self._pool_name = pool_name
        self._key = key
        self._attributes = _attributes(config)
        self._values: dict[str, str] = {}
        self._found: dict[str, tuple[bytes, str]] = {}
        for backend in by_name.values():
            self.added(backend)

    def added(self, backend: Backend) -> None:
        value = self._value(backend.name)
        self._values[backend.name] = value
        self._found[value[:_FINDING]] = value[_FINDING:].encode(), backend.name

    def find(self, request: HttpRequest, now: float) -> Backend | None:
        given = cookies_of(request).get(self.cookie)
        if given is None:
            return None
        found = self._found.get(given[:_FINDING])
        if found is None:
            return None
        proof, name = found
        if not hmac.compare_digest(given[_FINDING:].encode("utf-8", "surrogatepass"), proof):
            return None
        return self._by_name.get(name)

    def _pin(self, exchange: Exchange, headers: Headers | None, now: float) -> str | None:
        backend = exchange.backend
        assert backend is not None
        if backend is exchange.pinned:
            return None
        return f"{self.cookie}={self._values[backend.name]}{self._attributes}"

    def _value(self, name: str) -> str:
        message = json.dumps(["l7proxy sticky cookie", self._pool_name, name]).encode()
        return urlsafe_b64encode(hmac.digest(self._key, message, hashlib.sha256)[:24]).decode()


def _attributes(config: StickyCookieConfig) -> str:
    """Returns the attributes of the Set-Cookie value (RFC 6265, 4.1), each behind a "; "."""
    said = [f"Path={config.path}"]
    if config.max_age is not None:
        said.append(f"Max-Age={config.max_age}")
    if config.secure:
        said.append("Secure")
    if config.http_only:
        said.append("HttpOnly")
    if config.same_site is not None:
        said.append(f"SameSite={config.same_site}")
    return "".join(f"; {attribute}" for attribute in said)
