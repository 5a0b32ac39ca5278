"""TLS to clients and to backends, with certificates made on the spot."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from l7proxy.core.config import ConfigError, config_from
from l7proxy.server.server import Server, bind
from l7proxy.server.tls import Certificates
from tests.certificates import NEEDS_OPENSSL, make_certificates

from .support import (
    OK,
    TIMEOUT,
    Client,
    FakeBackend,
    conversation,
    pool_config,
    serving,
    until,
)

pytestmark = NEEDS_OPENSSL


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with certificates that sign themselves: a.example, b.example and localhost."""
    made = tmp_path_factory.mktemp("certificates")
    make_certificates(made, "a.example", "b.example", "localhost")
    return made


def certificate(home: Path, name: str, *names: str) -> dict[str, Any]:
    pem, key = home / f"{name}.pem", home / f"{name}.key"
    return {"certificate": str(pem), "key": str(key), "names": list(names)}


def config(backend: FakeBackend, *certificates: dict[str, Any], **tls: Any) -> Any:
    return config_from(
        {
            "backend_pools": {"api": pool_config(backend)},
            "server": {"tls": {"certificates": list(certificates), **tls}},
        }
    )


async def connect(port: int, home: Path, trusted: str, name: str, **how: Any) -> Client:
    """A client that trusts one certificate and asks for a name, or for none where that is ""."""
    context = ssl.create_default_context(cafile=str(home / f"{trusted}.pem"))
    for key, value in how.items():
        setattr(context, key, value)
    return await Client.to(host="127.0.0.1", port=port, ssl=context, server_hostname=name)


@conversation
async def test_clients_are_shown_the_certificate_for_the_name_they_ask_for(home: Path) -> None:
    backend = FakeBackend()
    await backend.start()
    both = (
        certificate(home, "a.example"),
        certificate(home, "b.example", "b.example", "*.b.example"),
    )
    server = Server(config(backend, *both), Random(0), asyncio.get_running_loop(), print)
    plain, secure = bind("127.0.0.1:0"), bind("tls:127.0.0.1:0")
    port = secure.getsockname()[1]
    await server.start([plain], [secure])
    try:
        for trusted, name in (
            ("a.example", "a.example"), ("b.example", "b.example"), ("b.example", "x.b.example"),
            ("b.example", "B.example."), ("b.example", "x.b.example."),
        ):  # fmt: skip
            # Python's own check takes the dot at the end for a part of the name.
            dotless = not name.endswith(".")
            client = await connect(port, home, trusted, name, check_hostname=dotless)
            assert (await client.get("/api/x")).endswith(b"ok")
            assert (await client.get("/api/x", "Connection: close")).endswith(b"ok")
            assert await client.until_close() == b""
            client.close()
        assert b"X-Forwarded-Proto: https\r\n" in backend.heads[0]
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(port, home, "b.example", "a.example")
        client = await connect(port, home, "a.example", "", check_hostname=False)
        assert (await client.get("/api/x")).endswith(b"ok")
        client.close()
        # What is connected stays so; who comes after a reload is shown what there is then.
        before = await connect(port, home, "a.example", "a.example")
        server.reload(config(backend, certificate(home, "b.example"), min_version="1.3"))
        assert (await before.get("/api/x")).endswith(b"ok")
        before.close()
        client = await connect(port, home, "b.example", "b.example")
        assert (await client.get("/api/x")).endswith(b"ok")
        client.close()
        old = {"maximum_version": ssl.TLSVersion.TLSv1_2}
        with pytest.raises(OSError):
            await connect(port, home, "b.example", "b.example", **old)
        with pytest.raises(ConfigError, match="/server/tls/certificates/0/certificate"):
            server.reload(config(backend, certificate(home, "none")))
        with pytest.raises(ConfigError, match=r"/server/tls: .* needs certificates"):
            server.reload(config_from({"backend_pools": {"api": pool_config(backend)}}))
        client = await Client.to(host="127.0.0.1", port=plain.getsockname()[1])
        assert (await client.get("/api/x")).endswith(b"ok")
        client.close()
        # Words in the clear are no way to begin.
        client = await Client.to(host="127.0.0.1", port=port)
        await client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"HTTP" not in await quietly(client)
        client.close()
    finally:
        server.listener.service.timeouts = server.service.timeouts.replace(drain=0)
        await server.stop()
        await backend.stop()


@conversation
async def test_a_client_that_does_not_hear_of_the_end_does_not_put_it_off(home: Path) -> None:
    backend = FakeBackend()
    await backend.start()
    loop = asyncio.get_running_loop()
    server = Server(config(backend, certificate(home, "a.example")), Random(0), loop, print)
    secure = bind("tls:127.0.0.1:0")
    address = secure.getsockname()
    await server.start([], [secure])
    context = ssl.create_default_context(cafile=str(home / "a.example.pem"))

    def ask_once() -> ssl.SSLSocket:
        sock = context.wrap_socket(socket.create_connection(address), server_hostname="a.example")
        sock.sendall(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
        return sock

    client = await loop.run_in_executor(None, ask_once)
    # Far longer than anyone waits for this test.
    assert min(server.service.timeouts.drain, server.service.timeouts.idle) > TIMEOUT
    try:
        await server.stop()
    finally:
        client.close()
        await backend.stop()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("tickets", [True, False], ids=["tickets", "no tickets"])
@conversation
async def test_a_session_is_resumed_under_its_own_name_only(
    home: Path, version: ssl.TLSVersion, tickets: bool
) -> None:
    backend = FakeBackend()
    await backend.start()
    loop = asyncio.get_running_loop()
    certificates = (
        certificate(home, "a.example", "a.example", "x.a.example"),
        certificate(home, "b.example", "b.example", "*.b.example"),
    )
    server = Server(config(backend, *certificates), Random(0), loop, print)
    secure = bind("tls:127.0.0.1:0")
    address = secure.getsockname()
    await server.start([], [secure])
    context = ssl.create_default_context()
    for name in ("a.example", "b.example"):
        context.load_verify_locations(home / f"{name}.pem")
    context.minimum_version = context.maximum_version = version
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    sessions: dict[str, ssl.SSLSession] = {}

    def resumed(name: str, under: str) -> bool:
        with context.wrap_socket(
            socket.create_connection(address), server_hostname=name, session=sessions.get(under)
        ) as sock:
            sock.sendall(b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            while sock.recv(4096):
                pass
            if not under:
                assert sock.session is not None
                sessions[name] = sock.session
            return bool(sock.session_reused)

    async def ask(name: str, under: str = "") -> bool:
        return await loop.run_in_executor(None, resumed, name, under)

    names = ["a.example", "x.a.example", "b.example", "x.b.example"]
    try:
        assert [await ask(name) for name in names] == [False] * 4
        for under in names:
            assert [await ask(name, under) for name in names] == [name == under for name in names]
    finally:
        server.listener.service.timeouts = server.service.timeouts.replace(drain=0)
        await server.stop()
        await backend.stop()


async def quietly(client: Client) -> bytes:
    try:
        return await client.until_close()
    except ConnectionError:
        return b""


class SecureBackend:
    """Answers over TLS; a request to leave HTTP gets a tunnel that echoes until it hears "end"."""

    async def start(self, home: Path, name: str) -> str:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(home / f"{name}.pem", home / f"{name}.key")
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=context)
        port: int = self._server.sockets[0].getsockname()[1]
        return f"https://127.0.0.1:{port}"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while b"Upgrade: " not in await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
            )
            while (word := await reader.readexactly(3)) != b"end":
                writer.write(word)
            writer.close()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def stop(self) -> None:
        self._server.close()


@pytest.mark.parametrize(
    ("tls", "status"),
    [
        ({"ca_file": "localhost", "server_name": "localhost"}, 200),
        ({"ca_file": "localhost", "server_name": "localhost:8443"}, 200),
        ({"ca_file": "localhost", "server_name": "localhost."}, 200),
        ({"verify": False}, 200),
        ({}, 502),
        ({"ca_file": "localhost"}, 502),
        ({"ca_file": "a.example", "server_name": "localhost"}, 502),
    ],
    ids=[
        "named",
        "with port",
        "with dot",
        "unverified",
        "unknown",
        "other name",
        "other authority",
    ],
)
@conversation
async def test_backends_prove_who_they_are(home: Path, tls: dict[str, Any], status: int) -> None:
    if "ca_file" in tls:
        tls = {**tls, "ca_file": str(home / f"{tls['ca_file']}.pem")}
    backend = SecureBackend()
    address = await backend.start(home, "localhost")
    async with serving(address, http={"tls": tls}, retries={"attempts": 1}) as proxy:
        client = await proxy.connect()
        for _ in range(2):
            assert (await client.get()).startswith(b"HTTP/1.1 %d " % status)
        assert proxy.in_flight == 0
    await backend.stop()


@conversation
async def test_a_tunnel_through_tls_ends_with_either_end(home: Path) -> None:
    backend = SecureBackend()
    trust = {"tls": {"verify": False}}
    pools = {"api": pool_config(await backend.start(home, "localhost"), http=trust)}
    tls = {"certificates": [certificate(home, "a.example")]}
    served = config_from({"backend_pools": pools, "server": {"tls": tls}})
    server = Server(served, Random(0), asyncio.get_running_loop(), print)
    secure = bind("tls:127.0.0.1:0")
    await server.start([], [secure])
    (there,) = server.service.proxy.pools["api"].backends
    try:
        for the_backend_ends in (True, False):
            client = await connect(secure.getsockname()[1], home, "a.example", "a.example")
            await client.say(
                b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
            )
            assert (await client.head()).startswith(b"HTTP/1.1 101 ")
            await client.say(b"abc")
            assert await client.read(3) == b"abc"
            assert there.in_flight == 1
            if the_backend_ends:
                await client.say(b"end")
                assert await client.until_close() == b""
            client.close()
            await until(lambda: there.in_flight == 0)
    finally:
        server.listener.service.timeouts = server.service.timeouts.replace(drain=0)
        await server.stop()
        await backend.stop()


@conversation
async def test_a_ca_file_that_is_no_regular_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="can't use /dev/zero: it is a device"):
        async with serving("https://127.0.0.1:1", http={"tls": {"ca_file": "/dev/zero"}}):
            pass


def test_a_certificate_that_is_no_regular_file_is_refused(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    good = certificate(home, "a.example")
    for member in ("certificate", "key"):
        tls = config_from(
            {
                "backends": ["a:1"],
                "server": {"tls": {"certificates": [{**good, member: str(tmp_path / "pipe")}]}},
            }
        ).server.tls
        assert tls is not None
        with pytest.raises(ConfigError, match="it is a named pipe"):
            Certificates(tls)


@conversation
async def test_a_ca_file_that_can_not_be_read_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"/backend_pools/api/http/tls: can't use /none"):
        async with serving("https://127.0.0.1:1", http={"tls": {"ca_file": "/none.pem"}}):
            raise AssertionError("it was put to work")


@conversation
async def test_a_reload_trusts_whom_the_ca_file_names_now(home: Path) -> None:
    trusted = home / "trusted.pem"
    shutil.copy(home / "localhost.pem", trusted)
    backend = SecureBackend()
    address = await backend.start(home, "localhost")
    tls = {"ca_file": str(trusted), "server_name": "localhost"}
    settings: dict[str, Any] = {"http": {"tls": tls}, "retries": {"attempts": 1}}
    again = config_from({"backend_pools": {"api": pool_config(address, **settings)}})
    async with serving(address, **settings) as proxy:
        client = await proxy.connect()
        assert (await client.get()).startswith(b"HTTP/1.1 200 ")
        (before,) = proxy.server.service.connections
        proxy.server.reload(again)
        assert proxy.server.service.connections == {before}
        shutil.copy(home / "a.example.pem", trusted)
        assert (await client.get()).startswith(b"HTTP/1.1 200 ")
        proxy.server.reload(again)
        assert (await client.get()).startswith(b"HTTP/1.1 502 ")
    await backend.stop()


class Truncating:
    """A backend behind TLS whose response lasts until it closes, which it does in the clear.

    With `says_goodbye` it sends a close_notify before that, as one does who has sent everything.
    """

    def __init__(self, home: Path, *, says_goodbye: bool) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(home / "localhost.pem", home / "localhost.key")
        self._says_goodbye = says_goodbye

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(came, out, server_side=True)

        async def step(call: Callable[[], object]) -> None:
            while True:
                try:
                    call()
                    break
                except ssl.SSLWantReadError:
                    writer.write(out.read())
                    data = await reader.read(65536)
                    assert data
                    came.write(data)
            writer.write(out.read())

        await step(tls.do_handshake)
        await step(lambda: tls.read(65536))
        await step(lambda: tls.write(b"HTTP/1.1 200 OK\r\n\r\nnot all of it"))
        if self._says_goodbye:
            with suppress(ssl.SSLWantReadError):
                tls.unwrap()
            writer.write(out.read())
        writer.close()

    def stop(self) -> None:
        self._server.close()


@pytest.mark.parametrize("whole", [True, False])
def test_a_body_until_the_end_of_tls_is_whole_only_if_the_backend_says_so(
    home: Path, whole: bool
) -> None:
    @conversation
    async def talk() -> None:
        backend = Truncating(home, says_goodbye=whole)
        port = await backend.start()
        trusted = {"tls": {"ca_file": str(home / "localhost.pem")}}
        async with serving(f"https://localhost:{port}", http=trusted) as proxy:
            client = await proxy.connect()
            await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            body = (await client.until_close()).partition(b"\r\n\r\n")[2]
            assert b"not all of it" in body
            assert body.endswith(b"0\r\n\r\n") == whole
            await until(lambda: proxy.in_flight == 0)
            (known,) = proxy.pool().backends
            assert known.failures == (not whole)
        backend.stop()

    talk()
