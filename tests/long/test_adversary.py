"""The standing adversary: hostile clients and backends, while ordinary clients go on asking.

What has to hold against each of `hostile.py`'s shapes, on both event loops: others' 99th percentile
stays within three times what it was before the attack, the proxy's memory and descriptors stay
bounded, and it prints nothing but its log.

pytest --long -s tests/long/test_adversary.py
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.long.hostile import BACKENDS, CHECKED, CLIENTS
from tests.long.processes import Backend
from tests.processes import MAIN
from tests.server.support import free_port

pytestmark = pytest.mark.long

HOSTILE = Path(__file__).with_name("hostile.py")
MIB = 1 << 20

WITHIN = 3.0
"""How many times as long others may wait."""
MEMORY = 200 * MIB
OTHERS = 4
"""Ordinary clients."""
QUIET, BEFORE, LOUD = 2.0, 0.7, 3.0
"""Seconds without the attack, of the attack before anything is measured, and of the attack."""
ROUNDS = 4
"""A machine that is busy elsewhere spoils a round; what the proxy does itself shows in each."""
SPARE = 256
"""Descriptors beside those of connections; what clients that are gone have sent is read first."""
ASKING = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"


class Waits(NamedTuple):
    """How long ordinary clients waited for their answers (seconds), in order of size."""

    times: list[float]

    @property
    def p99(self) -> float:
        return self.times[len(self.times) * 99 // 100]

    def __str__(self) -> str:
        return f"{len(self.times)} answers, p99 {self.p99 * 1000:.1f} ms"


class Proxy:
    """`l7proxy serve` as a process."""

    def __init__(self, folder: Path, loop: str, settings: dict[str, Any]) -> None:
        self._errors = folder / "errors"
        self._config = folder / "config.json"
        self._config.write_text(json.dumps(settings))
        self.port = free_port()
        command = [sys.executable, str(MAIN), "serve", "--no-watch", "--config", str(self._config)]
        command += ["--listen", f"127.0.0.1:{self.port}"]
        if loop == "asyncio":
            command.append("--no-uvloop")
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(command, stderr=errors)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None
                time.sleep(0.05)

    def reload(self, settings: dict[str, Any]) -> None:
        """Has it go on with another configuration."""
        before = self.said.count("reloaded")
        self._config.write_text(json.dumps(settings))
        self.process.send_signal(signal.SIGHUP)
        while self.said.count("reloaded") == before:
            time.sleep(0.05)

    @property
    def most_memory(self) -> int:
        """The most bytes that it has had in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def starved(self) -> float:
        """Seconds for which it wanted a processor and others had it."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._errors.read_text()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def hostile(*words: str, ready: bool = False) -> Iterator[None]:
    """Hostile peers in a process of their own, which tells when it is ready, or not."""
    command = [sys.executable, str(HOSTILE), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if ready:
            process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def backends() -> Iterator[dict[str, str]]:
    """The address of each pool's backend: of others, of clients that attack, and a hostile one."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    port = free_port()
    api, other = Backend(), Backend()
    try:
        with hostile("backend", str(port), ready=True):
            bad = f"http://127.0.0.1:{port}"
            yield {"api": api.address, "other": other.address, "bad": bad}
    finally:
        api.stop()
        other.stop()


async def ask(proxy: Proxy, end: float, taken: list[float]) -> None:
    """Asks again and again, as an ordinary client does; notes how long each answer took.

    Time for which the proxy got no processor is not its own.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    while time.monotonic() < end:
        began, starved = time.monotonic(), proxy.starved
        writer.write(ASKING)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(1)
        taken.append(time.monotonic() - began - (proxy.starved - starved))
        await asyncio.sleep(0.002)
    writer.close()


def waits(proxy: Proxy, seconds: float) -> Waits:
    """How long ordinary clients wait in so many seconds from now on."""

    async def main() -> list[float]:
        taken: list[float] = []
        end = time.monotonic() + seconds
        await asyncio.gather(*(ask(proxy, end, taken) for _ in range(OTHERS)))
        return sorted(taken)

    return Waits(asyncio.run(main()))


def settings(folder: Path, backends: dict[str, str], check: str | None = None) -> dict[str, Any]:
    """What the proxy is configured with; `check` is what health checks are answered by, if any."""
    pools: dict[str, dict[str, Any]] = {
        pool: {"backends": [address], "upstream": "http"} for pool, address in backends.items()
    }
    pools["bad"]["retries"] = {"attempts": 1}
    if check is not None:
        pools["bad"]["health"] = {"path": f"/{check}", "interval": 0.5, "timeout": 5}
    log = {"path": str(folder / "access.log"), "format": "envelope"}
    return {"backend_pools": pools, "server": {"access_log": log}}


class Site(NamedTuple):
    """The proxy and where its backends are."""

    proxy: Proxy
    folder: Path
    backends: dict[str, str]

    @contextmanager
    def attacked(self, name: str) -> Iterator[None]:
        """Has it attacked for a while by those who have that name in the tables."""
        if name in CHECKED:
            self.proxy.reload(settings(self.folder, self.backends, CHECKED[name]))
            yield
            self.proxy.reload(settings(self.folder, self.backends))
        else:
            with hostile("clients", str(self.proxy.port), name):
                yield


@pytest.fixture(params=["uvloop", "asyncio"])
def site(
    request: pytest.FixtureRequest, tmp_path: Path, backends: dict[str, str]
) -> Iterator[Site]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    proxy = Proxy(tmp_path, request.param, settings(tmp_path, backends))
    try:
        yield Site(proxy, tmp_path, backends)
    finally:
        proxy.stop()


def connections_of(name: str) -> int:
    """How many connections of clients an attack has."""
    shape = CLIENTS.get(name) or BACKENDS.get(name)
    return 0 if shape is None else shape.connections


@pytest.mark.parametrize("name", [*CLIENTS, *BACKENDS, *CHECKED])
def test_others_are_served_as_before_while_it_is_attacked(site: Site, name: str) -> None:
    proxy, ratios = site.proxy, []
    for _ in range(ROUNDS):
        quiet = waits(proxy, QUIET)
        with site.attacked(name):
            time.sleep(BEFORE)
            loud = waits(proxy, LOUD)
            descriptors = proxy.descriptors
        ratios.append(loud.p99 / quiet.p99)
        memory = proxy.most_memory
        print(f"\n{name}: {quiet}; under attack {loud}, {ratios[-1]:.1f} times as long")
        print(f"{memory // MIB} MiB at most, {descriptors} descriptors")
        assert memory <= MEMORY
        assert descriptors <= 2 * (connections_of(name) + OTHERS) + SPARE
        assert "Traceback" not in proxy.said
        if ratios[-1] <= WITHIN:
            return
    raise AssertionError(f"others wait {min(ratios):.1f} times as long")
