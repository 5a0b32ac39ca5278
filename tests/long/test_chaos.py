"""Two minutes in which backends are killed, frozen, restarted and drained, under 200 connections,
while the proxy takes its configuration anew and stands still now and then.

pytest --long -s tests/long -k chaos
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from random import Random
from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.core.proxy import Proxy
from l7proxy.server.loop import new_event_loop
from l7proxy.server.server import Server, bind
from tests.long.processes import Backend, config, get, running

pytestmark = pytest.mark.long

SECONDS = 120
GETS, POSTS = 180, 20
BACKENDS = 3
POOL = {
    # Every backend may be tried: so many attempts, none of which takes long.
    "timeouts": {"attempt": 1},
    "retries": {"attempts": BACKENDS, "budget": 1},
    "health": {"path": "/", "interval": 0.5, "timeout": 1, "rise": 1, "fall": 2},
    "panic_threshold": 0.3,
}
FOUND_OUT = 1.5
"""Seconds after which a check must have found a backend that is well again."""
STALL = 4.0
"""Seconds for which the proxy stands still: two checks and what they may take."""
LONGEST = 15.0
"""Seconds after which a request has been forgotten: three attempts take three, beside stalls."""


class Chaos:
    """A proxy in this process, its backends, what is done to them, and what clients see of it.

    A backend is well while its process runs and it is in the configuration, and has been for as
    long as it takes the proxy to find out. A GET may fail only where no backend was well from its
    first byte to its answer.
    """

    def __init__(self, backends: list[Backend], most: int, seed: int) -> None:
        """`most` backends at most are in trouble at once."""
        self._backends = backends
        self._most = most
        self._dice = Random(seed)
        self._well_since: dict[Backend, float] = dict.fromkeys(backends, -FOUND_OUT)
        self._drained: set[Backend] = set()
        self._loop = asyncio.get_running_loop()
        self.server = Server(self._config(), Random(seed), self._loop, lambda line: None)
        self.proxies: list[Proxy] = [self.server.service.proxy]
        """One for each configuration there was."""
        self.over = False
        self.done: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        """Errors while nobody was well."""
        self.broken: list[str] = []
        """Promises."""

    def _config(self) -> Any:
        left = [backend for backend in self._backends if backend not in self._drained]
        return config_from(config(left, **POOL))

    def _reload(self) -> None:
        self.server.reload(self._config())
        self.proxies.append(self.server.service.proxy)

    # What is done to backends.

    async def trouble(self, victim: Backend) -> None:
        """Gets the backend into trouble again and again."""
        dice, kinds = self._dice, (self._kill, self._restart, self._freeze, self._drain)
        while not self.over:
            await asyncio.sleep(dice.uniform(0.1, 2))
            since = self._well_since.pop(victim)
            if len(self._known_well(self._loop.time())) < len(self._backends) - self._most:
                self._well_since[victim] = since
                continue
            kind = dice.choice(kinds)
            self.done[kind.__name__.strip("_")] += 1
            await kind(victim)
            self._well_since[victim] = self._loop.time()

    def _known_well(self, at: float) -> list[Backend]:
        """Those who are well now, and were known to be at that time."""
        return [backend for backend, since in self._well_since.items() if since + FOUND_OUT <= at]

    async def _kill(self, victim: Backend) -> None:
        victim.stop()
        await asyncio.sleep(self._dice.uniform(0.2, 3))
        await self._loop.run_in_executor(None, victim.start)

    async def _restart(self, victim: Backend) -> None:
        victim.stop()
        await self._loop.run_in_executor(None, victim.start)

    async def _freeze(self, victim: Backend) -> None:
        victim.freeze()
        await asyncio.sleep(self._dice.uniform(0.2, 4))
        victim.thaw()

    async def _drain(self, victim: Backend) -> None:
        if len(self._drained) < len(self._backends) - 1:
            self._drained.add(victim)
            self._reload()
            await asyncio.sleep(self._dice.uniform(0.2, 2))
            self._drained.remove(victim)
            self._reload()

    async def reloads(self) -> None:
        """Takes the configuration anew at any time, whatever happens to backends just then."""
        while not self.over:
            await asyncio.sleep(self._dice.uniform(0.5, 5))
            self.done["reload"] += 1
            self._reload()

    async def stalls(self) -> None:
        """Has the proxy itself stand still now and then, for longer than two checks may take."""
        while not self.over:
            await asyncio.sleep(self._dice.uniform(5, 15))
            self.done["stall"] += 1
            known = self._known_well(self._loop.time())
            time.sleep(STALL)
            # Nobody has been found out about meanwhile.
            for backend in self._well_since.keys() - set(known):
                self._well_since[backend] += STALL

    # What clients see.

    async def client(self, port: int, method: str) -> None:
        """Asks again and again, on one connection while that lasts."""
        writer = None
        while not self.over:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            began = self._loop.time()
            length = 5 if method == "POST" else 0
            try:
                async with asyncio.timeout(LONGEST):
                    writer.write(get("/x", method, length) + bytes(length))
                    outcome, closed = await self._answer(reader)
            except TimeoutError:
                outcome, closed = "forgotten", True
            self._judge(method, outcome, began)
            if closed:
                writer.close()
                writer = None
            await asyncio.sleep(0.02)
        if writer is not None:
            writer.close()

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
        """The status, or what came in its place; and whether the connection is over."""
        head = b""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
            await reader.readexactly(int(fields[b"content-length"]))
        except ConnectionError:
            return "reset", True
        except asyncio.IncompleteReadError as error:
            return "cut short" if head or error.partial else "closed", True
        return head[9:12].decode(), fields.get(b"connection") == b"close"

    def _judge(self, method: str, outcome: str, began: float) -> None:
        self.seen[f"{method} {outcome}"] += 1
        known = self._known_well(began)
        if outcome == "200":
            return
        if method == "GET" and not known:
            self.excused[outcome] += 1
        allowed = outcome == "closed" or outcome.startswith("5")
        if not allowed or (method == "GET" and known):
            took = self._loop.time() - began
            self.broken.append(f"{method} {outcome} after {took:.2f} s, {len(known)} well")

    # The whole of it.

    async def start(self) -> int:
        """Begins to serve, and gives the port."""
        sock = bind("127.0.0.1:0")
        await self.server.start([sock])
        port: int = sock.getsockname()[1]
        return port

    async def run(self, port: int, seconds: float) -> None:
        """Lets it all happen for so long."""
        methods = ["GET"] * GETS + ["POST"] * POSTS
        clients = [asyncio.ensure_future(self.client(port, method)) for method in methods]
        troubles = [asyncio.ensure_future(self.trouble(victim)) for victim in self._backends]
        others = [asyncio.ensure_future(self.reloads()), asyncio.ensure_future(self.stalls())]
        await asyncio.sleep(seconds)
        self.over = True
        await asyncio.gather(*others, *troubles, *clients)

    def counters(self) -> Counter[str]:
        """Whatever is counted up and down, over all configurations there were."""
        left: Counter[str] = Counter()
        for proxy in self.proxies:
            for pool in proxy.pools.values():
                left["in flight"] += sum(backend.in_flight for backend in pool.backends)
                left["requests"] += pool.requests
                left["retries"] += len(pool.retry.counted)
        return +left


@pytest.mark.parametrize(
    ("most", "seed"), [(1, 1), (2, 2), (3, 3)], ids=["one of 3", "two of 3", "all 3"]
)
def test_chaos_among_the_backends_is_not_seen_by_clients(most: int, seed: int) -> None:
    async def main(backends: list[Backend]) -> None:
        loop = asyncio.get_running_loop()
        chaos = Chaos(backends, most, seed)
        port = await chaos.start()
        # All but the socket that it listens on.
        open_before = len(os.listdir("/proc/self/fd")) - 1
        await chaos.run(port, SECONDS)
        left = chaos.counters()
        await chaos.server.stop()
        until = loop.time() + 5
        leaked, tasks = 1, set[asyncio.Task[Any]]()
        while (leaked > 0 or tasks) and loop.time() < until:
            await asyncio.sleep(0.05)
            tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
            leaked = len(os.listdir("/proc/self/fd")) - open_before
        print(f"\n{dict(chaos.done)}\n{dict(chaos.seen)}")
        print(f"errors while nobody was well: {dict(chaos.excused)}")
        print(f"left: {dict(left)}, {len(tasks)} tasks, {leaked:+} descriptors")
        assert chaos.broken == []
        assert not left and not tasks and leaked <= 0

    loop = new_event_loop(fast=True)
    try:
        with running(BACKENDS) as backends:
            loop.run_until_complete(main(backends))
            loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
