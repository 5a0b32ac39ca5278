"""Hostile peers, in a process of their own: python hostile.py clients PORT NAME, or backend PORT.

`CLIENTS` are the shapes of clients, `BACKENDS` those of a backend, which answers a request for
/.../NAME as BACKENDS[NAME] says.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from l7proxy.server.loop import new_event_loop

BLOCK = 256 * 1024
"""About how many bytes are written at a time."""
REST = 0.02
"""Seconds after which one who was refused comes again."""


class Shape(NamedTuple):
    """What hostile peers say: what comes first, and then the same again and again.

    - `every` is the time between two of the latter (seconds); 0 is as fast as it is taken.
    - A peer with `reads` reads what it gets.
    - One who has said it `times` times ends the connection; 0 is without an end.
    """

    connections: int
    first: bytes
    again: bytes = b""
    every: float = 0.0
    reads: bool = True
    times: int = 0

    @property
    def flood(self) -> bytes:
        """What is written at a time by those who don't pause."""
        return self.again * max(1, BLOCK // len(self.again))


def _get(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n".encode()


def _post(path: str, more: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n".encode()


_HEAD = b"GET /other/x HTTP/1.1\r\nHost: h\r\n"
_CHUNKED = _post("/bad/silence", "Transfer-Encoding: chunked\r\n")
_UPGRADE = "Connection: upgrade\r\nUpgrade: raw\r\n"

CLIENTS: dict[str, Shape] = {
    # Requests without an end, on connections that stay.
    "pipelined to nowhere": Shape(1, b"", _get("/nope")),
    "pipelined to nowhere, by many": Shape(60, b"", _get("/nope")),
    "pipelined to nowhere, a few at a time": Shape(60, b"", _get("/nope") * 8, 0.01),
    "pipelined to a backend": Shape(60, b"", _get("/other/bytes/1")),
    "pipelined to both": Shape(60, b"", _get("/nope") + _get("/other/bytes/1")),
    "pipelined, answers unread": Shape(60, b"", _get("/nope"), reads=False),
    "pipelined to a backend, answers unread": Shape(60, b"", _get("/other/bytes/1"), reads=False),
    "pipelined with bodies": Shape(20, b"", _post("/other/x", "Content-Length: 5\r\n") + b"hello"),
    # Heads that are none.
    "first lines without an end": Shape(20, b"GET /", b"x" * 1000),
    "first lines of 250 kB": Shape(20, b"GET /" + b"x" * 250_000 + b" HTTP/1.1\r\n\r\n", b"x"),
    "first lines of octets to escape": Shape(20, b"GET /" + b"\xff" * 250_000, b"\xff" * 1000),
    "fields without an end": Shape(20, _HEAD, b"X-A: b\r\n"),
    "large fields without an end": Shape(20, _HEAD, b"X-A: " + b"b" * 4000 + b"\r\n"),
    "empty lines without an end": Shape(20, b"", b"\r\n"),
    "noise without an end": Shape(20, b"", bytes(range(256))),
    "large heads": Shape(
        20, b"", _get("/nope", "".join(f"X-{n}: {'v' * 240}\r\n" for n in range(120)))
    ),
    # Bodies that are none.
    "chunks of one octet": Shape(20, _CHUNKED, b"1\r\nx\r\n"),
    "chunks of one octet to nowhere": Shape(
        20, _post("/nope", "Transfer-Encoding: chunked\r\n"), b"1\r\nx\r\n"
    ),
    "chunk extensions without an end": Shape(20, _CHUNKED, b"1;a=b\r\nx\r\n"),
    "one chunk extension without an end": Shape(20, _CHUNKED + b"1", b";a=b"),
    "trailers without an end": Shape(20, _CHUNKED + b"0\r\n", b"X-A: b\r\n"),
    "uploads without an end": Shape(
        20, _post("/bad/silence", "Content-Length: 1000000000000\r\n"), bytes(65536)
    ),
    # Slowness.
    "heads a byte at a time": Shape(1000, _HEAD + b"X-Slow: ", b"x", 1.0),
    "bodies a byte at a time": Shape(
        500, _post("/bad/silence", "Content-Length: 100000\r\n"), b"x", 1.0
    ),
    "segments of one octet": Shape(20, _HEAD + b"X-Slow: ", b"x", 0.001, times=4000),
    "trailers in segments of one octet": Shape(
        20, _CHUNKED + b"0\r\nX-Slow: ", b"x", 0.001, times=4000
    ),
    "idle": Shape(2000, b""),
    "idle after a request": Shape(1000, _get("/other/x")),
    "come and go": Shape(200, b"", b"\r\n", times=1),
    "come, ask and go": Shape(200, b"", _get("/other/x"), times=1),
    "large answers": Shape(50, _get("/other/bytes/10000000000")),
    "large answers unread": Shape(200, _get("/other/bytes/100000000"), reads=False),
    # Tunnels.
    "tunnels that flood": Shape(20, _get("/bad/tunnel", _UPGRADE), bytes(1000)),
    "tunnels that flood, unread": Shape(
        20, _get("/bad/tunnel", _UPGRADE), bytes(1000), reads=False
    ),
    "tunnels": Shape(200, _get("/bad/tunnel", _UPGRADE), b"x", 0.2),
}

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKS = _OK + b"Transfer-Encoding: chunked\r\n\r\n"

BACKENDS: dict[str, Shape] = {
    "interims": Shape(20, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "hints": Shape(20, b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "fields": Shape(20, _OK, b"X-A: b\r\n"),
    "noise": Shape(20, b"", bytes(range(256))),
    "chunks": Shape(20, _CHUNKS, b"1\r\nx\r\n"),
    "extensions": Shape(20, _CHUNKS, b"1;a=b\r\nx\r\n"),
    "extension": Shape(20, _CHUNKS + b"1", b";a=b"),
    "trailers": Shape(20, _CHUNKS + b"0\r\n", b"X-A: b\r\n"),
    "body": Shape(20, _OK + b"\r\n", bytes(65536)),
    "behind": Shape(20, _OK + b"Content-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
    "octets": Shape(100, _OK + b"X-Slow: ", b"x", 0.005),
    "silence": Shape(200, b""),
    "tunnel": Shape(
        0, b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n"
    ),
}
"""`connections` is how many clients ask for it at a time."""

CHECKED = {"checks that get interims": "interims", "checks that get fields": "fields"}
"""What health checks are answered by; no clients are needed for that."""


class Peer(asyncio.Protocol):
    """One who talks as a shape says."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._said = 0
        self._flood = shape.flood if shape.again and not shape.every else b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def talk(self) -> None:
        shape = self.shape
        if not shape.reads:
            # Reading begins only after the connection was made.
            self._loop.call_soon(self._transport.pause_reading)
        if shape.first:
            self._transport.write(shape.first)
        self._go_on()

    def _go_on(self) -> None:
        shape = self.shape
        while shape.again and not self._paused and not self._transport.is_closing():
            if shape.times and self._said >= shape.times:
                self._transport.close()
                return
            self._said += 1
            if shape.every or shape.times:
                self._transport.write(shape.again)
                if shape.every:
                    self._loop.call_later(shape.every, self._go_on)
                    return
            else:
                self._transport.write(self._flood)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if not self.shape.every:
            self._go_on()


class HostileClient(Peer):
    """A client that comes again when it was sent away."""

    def __init__(self, shape: Shape, gone: asyncio.Event) -> None:
        super().__init__(shape)
        self._is_gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.talk()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_gone.set()


class HostileBackend(Peer):
    """A backend's connection: answers the first request as its path says."""

    def __init__(self) -> None:
        super().__init__(Shape(0, b""))
        self._head = b""
        self._talks = False

    def data_received(self, data: bytes) -> None:
        if self._talks:
            return
        self._head += data
        if b"\r\n\r\n" in self._head:
            self._talks = True
            name = self._head.split(b" ", 2)[1].rpartition(b"/")[2].decode()
            self.shape = shape = BACKENDS.get(name, BACKENDS["silence"])
            self._flood = shape.flood if shape.again and not shape.every else b""
            self.talk()


async def attack(port: int, name: str) -> None:
    """Has the clients come, and come again; never returns."""
    if name in CLIENTS:
        shape = CLIENTS[name]
    else:
        shape = Shape(BACKENDS[name].connections, _get(f"/bad/{name}"))

    async def one() -> None:
        while True:
            gone = asyncio.Event()
            with suppress(OSError):
                client = partial(HostileClient, shape, gone)
                await asyncio.get_running_loop().create_connection(client, "127.0.0.1", port)
                await gone.wait()
            await asyncio.sleep(REST)

    await asyncio.gather(*(one() for _ in range(shape.connections)))


async def serve(port: int) -> None:
    """Is the hostile backend; never returns."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(HostileBackend, "127.0.0.1", port, backlog=1024)
    print(flush=True)
    await server.serve_forever()


def main(role: str, port: str, name: str = "") -> None:
    """Runs until it is killed."""
    # It is to be in the way of nobody but the proxy.
    os.nice(19)
    gc.disable()
    loop = new_event_loop()
    loop.run_until_complete(serve(int(port)) if role == "backend" else attack(int(port), name))


if __name__ == "__main__":
    main(*sys.argv[1:])
