"""TLS for clients: chooses the certificate that a client is shown, and replaces certificates."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import pointer_to
from l7proxy.files import MOST_CERTIFICATES, refuse_special

if TYPE_CHECKING:
    from l7proxy.core.config.server import ServerTlsConfig

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Certificates:
    """The TLS contexts of one configuration, by the names that their certificates are for.

    Clients that ask for a name of no certificate, or for none, are shown the first one.
    """

    def __init__(self, config: ServerTlsConfig) -> None:
        """Raises `ConfigError` where a certificate can't be used."""
        self.version = VERSIONS[config.min_version]
        self._by_name: dict[str, ssl.SSLContext] = {}
        problems = []
        contexts = []
        for index, one in enumerate(config.certificates):
            context = _context(self.version)
            try:
                refuse_special(one.certificate, MOST_CERTIFICATES)
                if one.key is not None:
                    refuse_special(one.key, MOST_CERTIFICATES)
                context.load_cert_chain(one.certificate, one.key, _no_passphrase)
            except (OSError, ValueError) as error:
                at = pointer_to("/server/tls/certificates", index, "certificate")
                reason = getattr(error, "strerror", None) or str(error)
                problems.append(Problem(at, f"can't use it with its key: {reason}"))
            contexts.append(context)
            for name in one.names:
                self._by_name.setdefault(name.lower().removesuffix("."), context)
        if problems:
            raise ConfigError(problems)
        self.default = contexts[0]

    def context_for(self, name: str | None) -> ssl.SSLContext:
        """Returns the context for a client that asks for `name`."""
        if name is None:
            return self.default
        name = name.lower().removesuffix(".")
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name.get("*." + name.partition(".")[2])
        return found or self.default


class ServerTls:
    """The one context of a listener, whose certificates can be replaced while it listens."""

    def __init__(self, certificates: Certificates) -> None:
        self.context = _context(certificates.version)
        self.context.sni_callback = self._choose
        self.use(certificates)

    def use(self, certificates: Certificates) -> None:
        """Shows these to clients that connect from now on."""
        self._certificates = certificates
        self.context.minimum_version = certificates.version

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # OpenSSL calls this for each client, also for those that ask for no name.
        connection.context = self._certificates.context_for(name)


def _no_passphrase() -> str:
    """Is asked where a key is encrypted: there may be nobody at the terminal who could answer."""
    raise ValueError("the key has a passphrase")


def _context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = version
    context.set_alpn_protocols(["http/1.1"])
    return context
