"""Opens connections to one backend: where it is, over what, and how long that may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from l7proxy.core.config.address import split_address
from l7proxy.upstreams.http.resolver import Lookups, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

    from l7proxy.core.config.http import HttpConfig

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Opener(Protocol):
    """What a pool has its connections opened by."""

    resolver: Resolver
    """Knows the addresses of the backend's name."""

    async def open(self, protocol: Callable[[], P]) -> P:
        """Opens a connection for a new protocol. Raises OSError where that fails."""


class Connector:
    """Opens connections to a backend's address, with TLS where that says so.

    It takes at most `connect_timeout` (seconds), the look-up of the name included. Of several
    addresses each has its share of it, so that one that never answers leaves some for the others.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, lookups: Lookups, address: str, config: HttpConfig
    ) -> None:
        """Raises ValueError, with a text for people, where the settings can't be put to work."""
        self.loop = loop
        self._timeout = config.connect_timeout
        host, port = split_address(address)
        self._tls: SSLContext | None = None
        self._server_name: str | None = None
        if address.startswith("https://"):
            from l7proxy.upstreams.http.tls import backend_context, name_asked_for

            self._tls = backend_context(config.tls)
            self._server_name = name_asked_for(config.tls.server_name or host)
        self._path = host.removeprefix("unix:") if host.startswith("unix:") else None
        port = port or (80 if self._tls is None else 443)
        self.resolver = Resolver(lookups, loop.time, host, port, config.resolve_interval)

    async def open(self, protocol: Callable[[], P]) -> P:
        """Opens a connection for a new protocol.

        Raises OSError where that fails, and TimeoutError where it takes too long.
        """
        async with asyncio.timeout(self._timeout):
            if self._path is None:
                return await self._open_by_name(protocol)
            _, connection = await self.loop.create_unix_connection(protocol, self._path)
            return connection

    async def _open_by_name(self, protocol: Callable[[], P]) -> P:
        problem: OSError | None = None
        addresses = await self.resolver.addresses()
        for family, address in addresses:
            try:
                async with asyncio.timeout(self._timeout / len(addresses)):
                    _, connection = await self.loop.create_connection(
                        protocol,
                        address[0],
                        address[1],
                        family=family,
                        ssl=self._tls,
                        server_hostname=self._server_name,
                    )
            except OSError as error:
                problem = error
            else:
                return connection
        raise problem or OSError("the name has no address")
