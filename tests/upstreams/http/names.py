"""A name server that a test speaks for."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from threading import Event

from l7proxy.upstreams.http.resolver import Lookups, Resolver

INTERVAL = 30.0
"""Seconds for which an address is believed."""


class NameServer:
    """Says `hosts` for every name but the `silent` ones, for which it waits until `released`.

    Its clock stands still until it is set.
    """

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.now = 1000.0
        self.silent: set[str] = set()
        self.released = Event()
        self.questions: Counter[str] = Counter()
        self.lookups = Lookups(asyncio.get_running_loop(), self.ask)

    def time(self) -> float:
        return self.now

    def ask(self, host: str) -> list[tuple[socket.AddressFamily, str]]:
        self.questions[host] += 1
        if host in self.silent:
            self.released.wait()
        if not self.hosts:
            raise socket.gaierror(socket.EAI_AGAIN, "the name server is down")
        return [
            (socket.AF_INET6 if ":" in found else socket.AF_INET, found) for found in self.hosts
        ]

    @property
    def asked(self) -> int:
        return self.questions.total()

    def resolver(self, host: str = "shop.example", interval: float = INTERVAL) -> Resolver:
        return Resolver(self.lookups, self.time, host, 8080, interval)
