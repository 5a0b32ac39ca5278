"""TLS for clients: chooses the certificate that a client is shown, and replaces certificates.

Each name has a context of its own, which is chosen before the handshake begins. So sessions are
resumed under the name that they were begun with, and no other: each context has keys of its own to
seal tickets with, and what a context asks of clients was asked of those that resume a session. A
callback of OpenSSL's, which changes the context during the handshake, comes too late for both.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, cast

from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import pointer_to
from l7proxy.files import MOST_CERTIFICATES, refuse_special
from l7proxy.server.client_hello import Incomplete, server_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from l7proxy.core.config.server import CertificateConfig, ServerTlsConfig

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Certificates:
    """The TLS contexts of one configuration, by the names that their certificates are for.

    Clients that ask for a name of no certificate, or for none, are shown the first one.
    """

    def __init__(self, config: ServerTlsConfig) -> None:
        """Raises `ConfigError` where a certificate can't be used."""
        version = VERSIONS[config.min_version]
        self._by_name: dict[str, ssl.SSLContext] = {}
        problems = []
        contexts = []
        for index, one in enumerate(config.certificates):
            try:
                contexts.append(_context(one, version))
                for name in map(_plain, one.names):
                    if name not in self._by_name:
                        self._by_name[name] = _context(one, version)
            except (OSError, ValueError) as error:
                at = pointer_to("/server/tls/certificates", index, "certificate")
                reason = getattr(error, "strerror", None) or str(error)
                problems.append(Problem(at, f"can't use it with its key: {reason}"))
        if problems:
            raise ConfigError(problems)
        self.default = contexts[0]

    def context_for(self, name: str | None) -> ssl.SSLContext:
        """Returns the context for a client that asks for `name`."""
        if name is None:
            return self.default
        name = _plain(name)
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name.get("*." + name.partition(".")[2])
        return found or self.default


class ServerTls:
    """The one context of a listener, whose certificates can be replaced while it listens."""

    def __init__(self, certificates: Certificates) -> None:
        self.context: ssl.SSLContext = _ListenerContext(ssl.PROTOCOL_TLS_SERVER)
        self.use(certificates)

    def use(self, certificates: Certificates) -> None:
        """Shows these to clients that connect from now on."""
        self.context.context_for = certificates.context_for  # type: ignore[attr-defined]


class _ListenerContext(ssl.SSLContext):
    """Stands for the contexts that there are for names, until a client has said which it wants."""

    context_for: Callable[[str | None], ssl.SSLContext]

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *options: Any, **more: Any
    ) -> ssl.SSLObject:
        return cast("ssl.SSLObject", _Handshake(incoming, outgoing, self.context_for))


class _Handshake:
    """An `SSLObject` of the context for the name that the client asks for, once it has.

    The methods are those that event loops look up before the handshake.
    """

    def __init__(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        context_for: Callable[[str | None], ssl.SSLContext],
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._context_for = context_for
        self._needed = 1
        self._chosen: ssl.SSLObject | None = None

    def do_handshake(self) -> None:
        if self._chosen is None:
            self._chosen = self._choose()
        self._chosen.do_handshake()

    def read(self, *arguments: Any) -> Any:
        return self._object.read(*arguments)

    def write(self, data: Any) -> int:
        return self._object.write(data)

    def pending(self) -> int:
        return self._object.pending()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._object, name)

    @property
    def _object(self) -> ssl.SSLObject:
        if self._chosen is None:
            raise ssl.SSLError("the client has not said hello")
        return self._chosen

    def _choose(self) -> ssl.SSLObject:
        """Raises `ssl.SSLWantReadError` while the client's hello is not complete."""
        incoming = self._incoming
        if incoming.pending < self._needed:
            raise _want_more()
        data = incoming.read()
        incoming.write(data)
        try:
            name = server_name(data)
        except Incomplete as error:
            self._needed = error.needed
            raise _want_more() from None
        return self._context_for(name).wrap_bio(incoming, self._outgoing, server_side=True)


def _want_more() -> ssl.SSLWantReadError:
    return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the client's hello is not complete")


def _context(config: CertificateConfig, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Returns a context that shows a certificate.

    Raises OSError or ValueError where it can't be used.
    """
    for name in (config.certificate, config.key or config.certificate):
        refuse_special(name, MOST_CERTIFICATES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = version
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(config.certificate, config.key, _no_passphrase)
    return context


def _no_passphrase() -> str:
    """Is asked where a key is encrypted: there may be nobody at the terminal who could answer."""
    raise ValueError("the key has a passphrase")


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")
