"""What takes minutes: huge bodies, slow clients, endless reloads.

pytest --long -s tests/long
"""

from __future__ import annotations

import asyncio
import json
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
from typing import Any

import pytest

from tests.long.processes import Backend, config, get, running
from tests.processes import MAIN
from tests.server.support import free_port

pytestmark = pytest.mark.long

MIB = 1 << 20


@pytest.fixture
def backends() -> Iterator[list[Backend]]:
    with running(3) as made:
        yield made


@contextmanager
def proxy(
    tmp_path: Path, settings: dict[str, Any]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`l7proxy serve` as a process, and its port."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings))
    port = free_port()
    command = [sys.executable, str(MAIN), "serve", "--no-watch", "--config", str(file)]
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


def test_a_thousand_reloads_under_load_fail_no_request_and_keep_no_memory(
    tmp_path: Path, backends: list[Backend]
) -> None:
    """A download lasts from the first to the last."""
    failures: Counter[str] = Counter()
    answered = 0
    turns, size = 1000, 100_000_000

    def settings(turn: int) -> str:
        # One backend comes and goes; the routes are there to weigh something.
        routes = [{"path_pattern": f"/{n}/*", "backend_pool": "api"} for n in range(500)]
        routes.append({"path_pattern": "/api/*", "backend_pool": "api"})
        return json.dumps(config(backends[turn % 2 :]) | {"routes": routes})

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
        assert process.stderr is not None
        end = asyncio.Event()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
        writer.write(get(f"/bytes/{size}"))
        await reader.readuntil(b"\r\n\r\n")
        clients = [asyncio.ensure_future(client(port, end)) for _ in range(32)]
        memory = []
        for turn in range(turns):
            (tmp_path / "config.json").write_text(settings(turn))
            process.send_signal(signal.SIGHUP)
            while b"reloaded" not in (line := await asyncio.to_thread(process.stderr.readline)):
                assert line
            memory.append(rss(process))
        await reader.readexactly(size)
        writer.close()
        end.set()
        await asyncio.gather(*clients)
        settled = memory[turns // 10 :: turns // 10]
        print(f"\n{answered} requests during {turns} reloads, failed: {dict(failures)}")
        print(f"MiB: {memory[0]:.1f}, then {', '.join(f'{each:.1f}' for each in settled)}")
        assert not failures
        # Ten MiB are five of these configurations.
        assert max(memory[turns // 2 :]) - max(memory[: turns // 2]) < 10

    with proxy(tmp_path, config(backends)) as (process, port):
        asyncio.run(main(process, port))
