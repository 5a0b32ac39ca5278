"""Names to addresses, believed for a while and then asked for anew."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    Address = tuple[socket.AddressFamily, tuple[str, int]]


class Resolver:
    """The addresses of one host and port.

    A name that can't be resolved again keeps its old addresses: a name server that is down is no
    reason to take backends out that are up.
    """

    def __init__(self, loop: AbstractEventLoop, host: str, port: int, interval: float) -> None:
        self._loop = loop
        self._host = host
        self._port = port
        self._interval = interval
        family = _family_of(host)
        self._numeric = family is not None
        self._addresses: list[Address] = [] if family is None else [(family, (host, port))]
        self._asked_at = 0.0
        self.moved = False
        """Whether an address is gone that the name once had; who has left it makes this False."""

    @property
    def is_due(self) -> bool:
        """Whether the name is known, and has to be asked for anew."""
        known = self._addresses and not self._numeric
        return bool(known) and self._loop.time() - self._asked_at >= self._interval

    def has(self, host_and_port: tuple[str, int] | None) -> bool:
        """Whether that is one of the name's addresses, as far as is known."""
        return any(address == host_and_port for _, address in self._addresses)

    async def addresses(self) -> list[Address]:
        """Where to connect to, in order of preference. Raises OSError for an unknown name."""
        now = self._loop.time()
        if self._addresses and not self.is_due:
            return self._addresses
        try:
            found = await self._loop.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
        except UnicodeError as error:
            raise OSError(f"{self._host} is no name: {error}") from None
        except OSError:
            if not self._addresses:
                raise
        else:
            before, self._addresses = (
                self._addresses,
                [
                    (family, (str(address[0]), int(address[1])))
                    for family, _, _, _, address in found
                ],
            )
            self.moved |= not set(before) <= set(self._addresses)
        self._asked_at = now
        return self._addresses


def _family_of(host: str) -> socket.AddressFamily | None:
    """The family of an address, or None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family
    return None
