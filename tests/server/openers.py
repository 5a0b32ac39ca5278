"""What opens connections to backends, in ways that real networks have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from l7proxy.upstreams.http.connector import Opener, P


class Held:
    """Opens connections once it is released, or fails then."""

    def __init__(self, opener: Opener, error: OSError | None = None) -> None:
        self._opener = opener
        self._error = error
        self.resolver = opener.resolver
        self.released = asyncio.Event()

    async def open(self, protocol: Callable[[], P]) -> P:
        await self.released.wait()
        if self._error is not None:
            raise self._error
        return await self._opener.open(protocol)


class AtOnce:
    """Opens connections that `connect` makes, without waiting for anything."""

    def __init__(self, opener: Opener, connect: Callable[[asyncio.BaseProtocol], None]) -> None:
        """`connect` gives a protocol its transport."""
        self._connect = connect
        self.resolver = opener.resolver

    async def open(self, protocol: Callable[[], P]) -> P:
        made = protocol()
        self._connect(made)
        return made
