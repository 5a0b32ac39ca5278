"""TLS for clients: certificates, which of them a client is shown, and how they are replaced."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import pointer_to

if TYPE_CHECKING:
    from l7proxy.core.config.server import ServerTlsConfig

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Certificates:
    """The contexts of one configuration, by the names they are for.

    The first certificate is shown to whoever asks for a name that no certificate has.
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
                context.load_cert_chain(one.certificate, one.key)
            except OSError as error:
                at = pointer_to("/server/tls/certificates", index, "certificate")
                reason = error.strerror or str(error)
                problems.append(Problem(at, f"can't use it with its key: {reason}"))
            contexts.append(context)
            for name in one.names:
                self._by_name.setdefault(name.lower(), context)
        if problems:
            raise ConfigError(problems)
        self.default = contexts[0]

    def context_for(self, name: str | None) -> ssl.SSLContext:
        """What a client is shown that asks for `name`."""
        if name is None:
            return self.default
        name = name.lower()
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name.get("*." + name.partition(".")[2])
        return found or self.default


class ServerTls:
    """The context that a listener keeps, whatever certificates come and go."""

    def __init__(self, certificates: Certificates) -> None:
        self.context = _context(certificates.version)
        self.context.sni_callback = self._choose
        self.use(certificates)

    def use(self, certificates: Certificates) -> None:
        """Has clients that connect from now on shown these."""
        self._certificates = certificates
        self.context.minimum_version = certificates.version

    def _choose(self, wire: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # Called whether or not the client names anything.
        wire.context = self._certificates.context_for(name)


def _context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = version
    context.set_alpn_protocols(["http/1.1"])
    return context
