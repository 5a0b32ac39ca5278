"""A real nginx on loopback, and backends that are nothing but listening sockets.

The test itself is the backends: it sends a request through nginx, sees at which socket it
arrives, and answers when it likes. So there are no threads, and nothing is ever slept for.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from types import TracebackType

import pytest

PATIENCE = 20
"""Seconds after which something has gone wrong."""

_FOUND = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

needs_nginx = pytest.mark.skipif(
    _FOUND is None, reason="nginx is not installed (Debian: apt-get install nginx-light)"
)


class Backends:
    """Listening sockets on loopback, known by name."""

    def __init__(self, names: str) -> None:
        self._arrivals = DefaultSelector()
        self.addresses: dict[str, str] = {}
        for name in names:
            listener = socket.create_server(("127.0.0.1", 0))
            self._arrivals.register(listener, EVENT_READ, name)
            self.addresses[name] = f"127.0.0.1:{listener.getsockname()[1]}"

    def next_arrival(self) -> tuple[str, socket.socket]:
        """Where the next request comes in, and the connection it comes on, its head read."""
        for key, _ in self._arrivals.select(PATIENCE):
            listener = key.fileobj
            assert isinstance(listener, socket.socket)
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE)
            read_head(connection)
            return str(key.data), connection
        raise AssertionError("the request arrived nowhere")

    def close(self) -> None:
        for key in list(self._arrivals.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._arrivals.close()


class Held:
    """A request that has arrived at a backend and waits for its answer."""

    def __init__(self, backend: str, client: socket.socket, upstream: socket.socket) -> None:
        self.backend = backend
        self._client = client
        self._upstream = upstream

    def answer(self) -> None:
        """Answers it, and waits until the client has the answer."""
        self._upstream.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        self._upstream.close()
        assert read_head(self._client).startswith(b"HTTP/1.1 200")
        self._client.close()


class Nginx:
    """nginx in one process with a configuration of its own; use it in a `with` statement.

    `http` is what stands in the `http` block beside the server, which passes `/NAME...` on to
    the upstream `NAME`.
    """

    def __init__(self, backends: Backends, http: str, names: list[str]) -> None:
        self._backends = backends
        # A socket's path may have a hundred bytes, fewer than some temporary directories.
        self._home = tempfile.TemporaryDirectory(prefix="nginx-", dir="/tmp")
        home = Path(self._home.name)
        self._address = str(home / "s")
        temporary = "".join(
            f"{kind}_temp_path {home}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        locations = "".join(f"location /{n} {{ proxy_pass http://{n}; }}\n" for n in names)
        (home / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;\n"
            "events { worker_connections 512; }\n"
            f"http {{ access_log off; {temporary} {http}\n"
            "real_ip_header X-Client; set_real_ip_from unix:;\n"
            f"server {{ listen unix:{self._address};\n{locations} }} }}\n"
        )
        assert _FOUND is not None
        # What it says before it has read where its log is goes to the same place.
        with open(home / "error.log", "ab") as log:
            self._process = subprocess.Popen(
                [_FOUND, "-p", str(home), "-c", str(home / "nginx.conf")], stderr=log
            )

    def __enter__(self) -> Nginx:
        for _ in range(PATIENCE * 100):
            try:
                self._connect().close()
                return self
            except OSError:
                # Waits a hundredth of a second, or until it is clear that nginx has given up.
                try:
                    self._process.wait(0.01)
                except subprocess.TimeoutExpired:
                    continue
                break
        log = Path(self._home.name, "error.log").read_text()
        self.__exit__(None, None, None)
        raise AssertionError(f"nginx does not start:\n{log}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._home.cleanup()

    def send(self, target: str, client_ip: str = "127.0.0.1") -> Held:
        """Sends a request and finds out at which backend it arrives."""
        client = self._connect()
        client.sendall(
            f"GET {target} HTTP/1.1\r\nHost: a\r\nX-Client: {client_ip}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        name, upstream = self._backends.next_arrival()
        return Held(name, client, upstream)

    def pick(self, target: str, client_ip: str = "127.0.0.1") -> str:
        """Which backend a request goes to; it is answered at once."""
        held = self.send(target, client_ip)
        held.answer()
        return held.backend

    def _connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        try:
            client.connect(self._address)
        except OSError:
            client.close()
            raise
        return client


def read_head(connection: socket.socket) -> bytes:
    """Everything up to the empty line."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        assert piece, f"closed after {data!r}"
        data += piece
    return data


def upstream(name: str, method: str, backends: Backends, servers: dict[str, str]) -> str:
    """An upstream block; `servers` has each backend's name and parameters."""
    lines = "".join(f"server {backends.addresses[n]} {how};\n" for n, how in servers.items())
    return f"upstream {name} {{ {method}\n{lines} }}\n"
