"""Backends as processes of their own, which can be killed, frozen and restarted."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.server.support import free_port

SCRIPT = Path(__file__).with_name("backend.py")


class Backend:
    """A backend process on a port that it keeps."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(SCRIPT), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(count: int) -> Iterator[list[Backend]]:
    """So many backends, for a while."""
    made = [Backend() for _ in range(count)]
    try:
        yield made
    finally:
        for backend in made:
            backend.stop()


def config(backends: list[Backend], **pool: Any) -> dict[str, Any]:
    """A configuration with the backends in one pool, `api`."""
    addresses = [backend.address for backend in backends]
    return {"backend_pools": {"api": {"backends": addresses, "upstream": "http", **pool}}}


def get(path: str, method: str = "GET", length: int = 0) -> bytes:
    """The head of a request for that path in the pool."""
    more = f"Content-Length: {length}\r\n" if length else ""
    return f"{method} /api{path} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode()
