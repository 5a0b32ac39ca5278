"""What a server listens on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from l7proxy.server.server import bind, claim, unix_sockets


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for the path of a socket."""
    with TemporaryDirectory() as name:
        yield Path(name)


def test_a_unix_socket_that_nobody_listens_on_makes_way(folder: Path) -> None:
    path = folder / "front.sock"
    bind(f"unix:{path}").close()
    assert path.is_socket()
    with bind(f"unix:{path}") as again, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        again.accept()[0].close()


def test_a_unix_socket_that_somebody_listens_on_stays_theirs(folder: Path) -> None:
    path = folder / "front.sock"
    with bind(f"unix:{path}") as theirs, socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(OSError, match=f"^unix:{path}: Address already in use$"):
            bind(f"unix:{path}")
        client.connect(str(path))
        # One of those who were accepted is the attempt to bind.
        for _ in range(2):
            theirs.accept()[0].close()


def test_a_socket_that_can_not_be_connected_to_is_somebodys(folder: Path) -> None:
    path = folder / "datagrams.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as theirs:
        theirs.bind(str(path))
        with pytest.raises(OSError, match="Address already in use"):
            bind(f"unix:{path}")
    assert path.is_socket()


def test_a_socket_that_somebody_else_has_put_in_its_place_stays(folder: Path) -> None:
    path = folder / "front.sock"
    with unix_sockets([f"unix:{path}"]) as (ours,):
        ours.close()
        theirs = bind(f"unix:{path}")
    with theirs, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    with unix_sockets([f"unix:{path}"]) as (ours,), ours:
        path.unlink()


def test_what_is_not_a_socket_is_left_alone(folder: Path) -> None:
    path = folder / "notes.txt"
    path.write_text("important")
    with pytest.raises(OSError, match=f"^unix:{path}: there is a file that is not a socket$"):
        bind(f"unix:{path}")
    assert path.read_text() == "important"


@pytest.mark.parametrize(("listen", "why"), [
    ("unix:/none/there.sock", "No such file or directory"),
    ("unix:/" + "x" * 200, "AF_UNIX path too long"),
    ("unix:/a\0b", "embedded null (byte|character)"),
    ("192.0.2.1:0", "Cannot assign requested address"),
    ("tls:192.0.2.1:0", "Cannot assign requested address"),
])  # fmt: skip
def test_an_address_that_can_not_be_had_is_named(listen: str, why: str) -> None:
    with pytest.raises(OSError, match=f"^{listen}: {why}"):
        bind(listen)


def test_an_address_in_use_is_named() -> None:
    with bind("127.0.0.1:0") as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"^{listen}: Address already in use$"):
            bind(listen)
        with pytest.raises(OSError, match="in use"):
            bind(listen, shared=True)


def test_processes_may_share_a_port() -> None:
    with bind("127.0.0.1:0", shared=True) as first:
        port = first.getsockname()[1]
        with bind(f"127.0.0.1:{port}", shared=True) as second:
            assert second.getsockname()[1] == port


@pytest.mark.parametrize("host", [
    "127.0.0.1",
    pytest.param("[::1]", marks=pytest.mark.skipif(
        not os.path.exists("/proc/net/if_inet6"), reason="needs IPv6"
    )),
])  # fmt: skip
def test_a_port_that_is_claimed_is_for_those_who_share_it(host: str) -> None:
    with bind(f"{host}:0") as sock:
        listen = f"{host}:{sock.getsockname()[1]}"
        with pytest.raises(OSError, match="in use"), claim(listen):
            pass
    with claim(listen):
        for _ in range(2):
            # While nobody is there to share it, too.
            with pytest.raises(OSError, match="in use"):
                bind(listen)
            with pytest.raises(OSError, match="in use"), claim(listen):
                pass
            with bind(listen, shared=True) as one, bind(listen, shared=True) as other:
                assert one.getsockname() == other.getsockname()
    bind(listen).close()


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="needs IPv6")
def test_a_v6_address_leaves_the_port_of_v4_alone() -> None:
    with bind("[::1]:0") as sock:
        assert sock.family == socket.AF_INET6
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
