"""Names to addresses, believed for a while and then asked for anew."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable

    Address = tuple[socket.AddressFamily, tuple[str, int]]
    Found = list[tuple[socket.AddressFamily, str]] | OSError
    """What a look-up ends with: addresses in order of preference, or why there are none."""
    Ask = Callable[[str], list[tuple[socket.AddressFamily, str]]]
    """Finds out where a host is, in as much time as that takes. Raises OSError."""

MOST_AT_ONCE = 256
"""Look-ups under way at a time; beyond that they wait for one of those to end."""


class Lookups:
    """Looks names up, each in a thread of its own and only once at a time.

    A name server that is silent costs whoever asks for a name that only it knows, and nobody else.
    Nothing waits for the threads when the process ends.
    """

    def __init__(self, loop: AbstractEventLoop, ask: Ask | None = None) -> None:
        """`ask` is called in threads; by default the system is asked."""
        self._loop = loop
        self._ask = ask_system if ask is None else ask
        self._in_flight: dict[str, Future[Found]] = {}
        self._waiting: deque[str] = deque()
        self._threads = 0

    def look_up(self, host: str) -> Future[Found]:
        """Returns what the look-up of the host will end with; it fails only by its result.

        It is everybody's who asks for the same host meanwhile, and must not be cancelled.
        """
        found = self._in_flight.get(host)
        if found is None:
            found = self._in_flight[host] = self._loop.create_future()
            self._waiting.append(host)
            self._start_waiting()
        return found

    def _start_waiting(self) -> None:
        while self._waiting and self._threads < MOST_AT_ONCE:
            host = self._waiting.popleft()
            self._threads += 1
            try:
                Thread(target=self._run, args=(host,), name="l7proxy look-up", daemon=True).start()
            except RuntimeError as error:
                # The system has no room for another thread.
                self._loop.call_soon(self._end, host, OSError(str(error)))

    def _run(self, host: str) -> None:
        """Asks, in a thread of its own."""
        found: Found
        try:
            found = self._ask(host)
        except OSError as error:
            found = error
        except Exception as error:
            found = OSError(f"{host} is no name: {error}")
        try:
            self._loop.call_soon_threadsafe(self._end, host, found)
        except RuntimeError:
            # The loop has been closed: nobody waits any more.
            pass

    def _end(self, host: str, found: Found) -> None:
        self._threads -= 1
        self._in_flight.pop(host).set_result(found)
        self._start_waiting()


class Resolver:
    """The addresses of one host and port.

    Once they are known nobody waits for the name server: they stay in use while it is asked anew,
    and when it does not answer. A name server that is down is no reason to take backends out that
    are up.
    """

    def __init__(
        self,
        lookups: Lookups,
        time: Callable[[], float],
        host: str,
        port: int,
        interval: float,
    ) -> None:
        """`interval`: for how long, on the clock `time` (seconds), an answer is believed."""
        self._lookups = lookups
        self._time = time
        self._host = host
        self._port = port
        self._interval = interval
        family = _family_of(host)
        self._numeric = family is not None
        self._addresses: list[Address] = [] if family is None else [(family, (host, port))]
        self._found: Future[Found] | None = None
        """Of the look-up that is under way."""
        self._asked_at = 0.0
        self.moved = False
        """Whether an address is gone that the name once had; who has left it makes this False."""

    @property
    def asking(self) -> bool:
        """Whether the name is being asked for."""
        return self._found is not None

    @property
    def is_due(self) -> bool:
        """Whether the name is known, and has to be asked for anew."""
        if not self._addresses or self._numeric or self._found is not None:
            return False
        return self._time() - self._asked_at >= self._interval

    def has(self, host_and_port: tuple[str, int] | None) -> bool:
        """Whether that is one of the name's addresses, as far as is known."""
        return any(address == host_and_port for _, address in self._addresses)

    def refresh(self) -> Future[Found]:
        """Asks for the name, if it is not being asked for; returns what the answer will be."""
        found = self._found
        if found is None:
            found = self._found = self._lookups.look_up(self._host)
            found.add_done_callback(self._learn)
        return found

    async def addresses(self) -> list[Address]:
        """Where to connect to, in order of preference. Raises OSError for an unknown name."""
        if self._addresses:
            if self.is_due:
                self.refresh()
        else:
            found = await asyncio.shield(self.refresh())
            if isinstance(found, OSError):
                raise found.with_traceback(None)
        return self._addresses

    def _learn(self, ended: Future[Found]) -> None:
        """Takes what a look-up has ended with."""
        self._found = None
        self._asked_at = self._time()
        found = ended.result()
        if isinstance(found, OSError) or not found:
            return
        before = self._addresses
        self._addresses = [(family, (host, self._port)) for family, host in found]
        self.moved |= not set(before) <= set(self._addresses)


def ask_system(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Returns the addresses of a host as the system knows them. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [(family, str(address[0])) for family, _, _, _, address in found]


def _family_of(host: str) -> socket.AddressFamily | None:
    """The family of an address, or None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family
    return None
