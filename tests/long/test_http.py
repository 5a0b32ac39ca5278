"""What takes minutes: huge bodies, slow clients, chaos among the backends, endless reloads.

pytest --long -s tests/long
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.server.loop import new_event_loop
from l7proxy.server.server import Server, bind
from tests.processes import MAIN
from tests.server.support import free_port

pytestmark = pytest.mark.long

MIB = 1 << 20
BACKEND = Path(__file__).with_name("backend.py")


class Backend:
    """A backend process on a port that it keeps."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(BACKEND), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def backends() -> Iterator[list[Backend]]:
    made = [Backend() for _ in range(3)]
    yield made
    for backend in made:
        backend.stop()


def config(backends: list[Backend], **pool: Any) -> dict[str, Any]:
    addresses = [backend.address for backend in backends]
    return {"backend_pools": {"api": {"backends": addresses, "upstream": "http", **pool}}}


@contextmanager
def proxy(
    tmp_path: Path, settings: dict[str, Any]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`l7proxy serve` as a process, and its port."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings))
    port = free_port()
    command = [sys.executable, str(MAIN), "serve", "--config", str(file)]
    with subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stderr=-1) as process:
        while True:
            try:
                # Connections are taken before there is anybody to hear signals; answers are not.
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(get("/x"))
                    assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                time.sleep(0.05)
        try:
            yield process, port
        finally:
            process.terminate()
            process.wait(60)


def rss(process: subprocess.Popen[bytes]) -> float:
    """Resident memory in MiB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


def get(path: str, method: str = "GET", length: int = 0) -> bytes:
    more = f"Content-Length: {length}\r\n" if length else ""
    return f"{method} /api{path} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode()


def transfer(port: int, head: bytes, up: int, down: int, look: Any) -> None:
    """Sends a request with `up` bytes and reads a response with `down` bytes behind its head."""
    block = bytearray(MIB)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head)
        for sent in range(0, up, MIB):
            client.sendall(block)
            if sent % (64 * MIB) == 0:
                look()
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(65536)
        got, seen = len(answer.partition(b"\r\n\r\n")[2]), 0
        while got < down:
            got += client.recv_into(block)
            if got - seen > 64 * MIB:
                seen = got
                look()
        assert got >= down and answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("up", "down"), [(0, 5 << 30), (1 << 30, 1)], ids=["5 GiB down", "1 GiB up"]
)
def test_huge_bodies_pass_in_constant_memory(
    tmp_path: Path, backends: list[Backend], up: int, down: int
) -> None:
    with proxy(tmp_path, config(backends)) as (process, port):
        transfer(port, get("/bytes/1000000"), 0, 1_000_000, lambda: None)
        before, most = rss(process), [0.0]

        def look() -> None:
            most[0] = max(most[0], rss(process))

        began = time.monotonic()
        head = get("/x", "POST", up) if up else get(f"/bytes/{down}")
        transfer(port, head, up, down, look)
        rate = (up + down) / MIB / (time.monotonic() - began)
        print(f"\n{rate:.0f} MiB/s, {before:.1f} MiB before, {most[0]:.1f} MiB at most")
        assert most[0] - before < 20


async def times(port: int, seconds: float) -> list[float]:
    """How long each request of one ordinary client takes, in seconds, in order of size."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken, end = [], time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        writer.write(get("/x"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(1)
        taken.append(time.monotonic() - began)
    writer.close()
    return sorted(taken)


def test_slow_clients_do_not_slow_down_others(tmp_path: Path, backends: list[Backend]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    settings = config(backends) | {"server": {"timeouts": {"head": 600}}}

    async def drip(port: int, going: asyncio.Event) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        while not going.is_set():
            writer.write(b"x")
            await asyncio.sleep(1)
        writer.close()

    async def main(port: int) -> None:
        alone = await times(port, 5)
        end = asyncio.Event()
        slow = [asyncio.ensure_future(drip(port, end)) for _ in range(2000)]
        await asyncio.sleep(3)
        among = await times(port, 10)
        end.set()
        await asyncio.gather(*slow)
        p99 = [t[len(t) * 99 // 100] * 1000 for t in (alone, among)]
        print(f"\np99 alone {p99[0]:.2f} ms, among 2,000 slow clients {p99[1]:.2f} ms")
        assert p99[1] < 2 * p99[0]

    with proxy(tmp_path, settings) as (_, port):
        asyncio.run(main(port))


def test_a_hundred_reloads_under_load_fail_no_request(
    tmp_path: Path, backends: list[Backend]
) -> None:
    failures: Counter[str] = Counter()
    answered = 0

    async def client(port: int, end: asyncio.Event) -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not end.is_set():
            try:
                writer.write(get("/x"))
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(1)
                answered += 1
                if not head.startswith(b"HTTP/1.1 200 "):
                    failures[head[:20].decode()] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                failures[repr(error)] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    async def main(process: subprocess.Popen[bytes], port: int) -> None:
        end = asyncio.Event()
        clients = [asyncio.ensure_future(client(port, end)) for _ in range(32)]
        for turn in range(100):
            # One backend comes and goes.
            (tmp_path / "config.json").write_text(json.dumps(config(backends[turn % 2 :])))
            process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.2)
        end.set()
        await asyncio.gather(*clients)
        print(f"\n{answered} requests during 100 reloads, failed: {dict(failures)}")
        assert not failures

    with proxy(tmp_path, config(backends)) as (process, port):
        asyncio.run(main(process, port))


def test_chaos_among_the_backends_is_not_seen_by_clients(backends: list[Backend]) -> None:
    """For two minutes one backend at a time is killed, frozen or drained; the others are well."""
    settings = config(
        backends,
        timeouts={"attempt": 1},
        retries={"attempts": 3, "budget": 1},
        health={"path": "/", "interval": 0.5, "timeout": 1, "rise": 1, "fall": 2},
    )
    outcomes: Counter[str] = Counter()
    dice = Random(1)

    async def client(port: int, method: str, end: asyncio.Event) -> None:
        reader = writer = None
        while not end.is_set():
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert reader is not None
                writer.write(get("/x", method))
                async with asyncio.timeout(30):
                    head = await reader.readuntil(b"\r\n\r\n")
                    (length,) = [
                        int(f[15:])
                        for f in head.lower().split(b"\r\n")
                        if f[:15] == b"content-length:"
                    ]
                    await reader.readexactly(length)
                outcomes[f"{method} {head[9:12].decode()}"] += 1
                if b"connection: close" in head.lower():
                    writer.close()
                    writer = None
            except (OSError, asyncio.IncompleteReadError) as error:
                outcomes[f"{method} {error!r}"] += 1
                writer = None
            await asyncio.sleep(0.02)
        if writer is not None:
            writer.close()

    async def trouble(server: Server, end: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + 120
        pool = server.service.proxy.pools["api"]
        while loop.time() < until:
            victim = dice.choice(backends)
            kind = dice.choice(["kill", "freeze", "drain"])
            outcomes[kind] += 1
            if kind == "kill":
                victim.stop()
                await asyncio.sleep(1)
                await loop.run_in_executor(None, victim.start)
            elif kind == "freeze":
                victim.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(2)
                victim.process.send_signal(signal.SIGCONT)
            else:
                rest = [backend for backend in backends if backend is not victim]
                server.reload(config_from({**settings, **config(rest, **extra)}))
                await asyncio.sleep(1)
                server.reload(config_from(settings))
            # Until it is known to be well again.
            await asyncio.sleep(1.5)
            pool = server.service.proxy.pools["api"]
        assert pool is not None
        end.set()

    extra = {k: v for k, v in settings["backend_pools"]["api"].items() if k != "backends"}
    extra.pop("upstream")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = Server(config_from(settings), Random(0), loop, lambda line: None)
        sock = bind("127.0.0.1:0")
        port = sock.getsockname()[1]
        open_before = len(os.listdir("/proc/self/fd"))
        await server.start([sock])
        end = asyncio.Event()
        methods = ["GET"] * 180 + ["POST"] * 20
        clients = [asyncio.ensure_future(client(port, method, end)) for method in methods]
        await trouble(server, end)
        await asyncio.gather(*clients)
        pool = server.service.proxy.pools["api"]
        in_flight = sum(backend.in_flight for backend in pool.backends)
        await server.stop()
        for _ in range(20):
            await asyncio.sleep(0.05)
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        leaked = len(os.listdir("/proc/self/fd")) - open_before
        print(f"\n{dict(outcomes)}, in flight {in_flight}, descriptors {leaked:+}")
        assert in_flight == 0 and not tasks and leaked <= 0
        assert not [what for what in outcomes if what.startswith("GET") and what != "GET 200"]

    loop = new_event_loop(fast=True)
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
