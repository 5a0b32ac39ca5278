"""Names and their addresses over time, with a name server that says what a test wants."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

from l7proxy.upstreams.http.resolver import Resolver
from tests.server.support import OK, FakeBackend, conversation, serving, until

INTERVAL = 30.0


class NameServer:
    """A loop whose time stands still until it is set, and that answers `hosts`."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.now = 1000.0
        self.asked = 0

    def time(self) -> float:
        return self.now

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        if not self.hosts:
            raise socket.gaierror(socket.EAI_AGAIN, "the name server is down")
        return [
            (
                socket.AF_INET6 if ":" in found else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (found, port, 0, 0)[: 4 if ":" in found else 2],
            )
            for found in self.hosts
        ]


def resolver(server: NameServer, host: str = "shop.example") -> Resolver:
    return Resolver(cast("asyncio.AbstractEventLoop", server), host, 8080, INTERVAL)


def found(names: Resolver) -> list[Any]:
    return asyncio.run(names.addresses())


def test_all_addresses_of_a_name_are_given_in_order() -> None:
    server = NameServer("::2", "10.0.0.2")
    assert found(resolver(server)) == [
        (socket.AF_INET6, ("::2", 8080)),
        (socket.AF_INET, ("10.0.0.2", 8080)),
    ]


def test_an_answer_is_believed_until_the_interval_is_over() -> None:
    server = NameServer("10.0.0.1")
    names = resolver(server)
    before = found(names)
    server.hosts = ("10.0.0.2",)
    server.now += INTERVAL - 1
    assert (found(names), server.asked) == (before, 1)
    server.now += 1
    assert (found(names), server.asked) == ([(socket.AF_INET, ("10.0.0.2", 8080))], 2)


def test_a_name_has_moved_when_it_loses_an_address_and_not_when_it_gains_one() -> None:
    server = NameServer("10.0.0.1")
    names = resolver(server)
    moves = []
    for hosts in (("10.0.0.1",), ("10.0.0.2", "10.0.0.1"), (), ("10.0.0.2",)):
        server.hosts = hosts
        server.now += INTERVAL
        found(names)
        moves.append(names.moved)
    assert moves == [False, False, False, True]
    assert (names.has(("10.0.0.2", 8080)), names.has(("10.0.0.1", 8080))) == (True, False)
    assert not names.has(("10.0.0.2", 80)) and not names.has(None)


def test_only_what_is_known_has_to_be_asked_for_anew() -> None:
    server = NameServer("10.0.0.1")
    names, number = resolver(server), resolver(server, "10.0.0.1")
    assert (names.is_due, number.is_due) == (False, False)
    found(names)
    server.now += INTERVAL - 1
    assert not names.is_due
    server.now += 1
    assert (names.is_due, number.is_due) == (True, False)


def test_a_name_that_is_not_known_any_more_keeps_its_addresses_for_another_interval() -> None:
    server = NameServer("10.0.0.1")
    names = resolver(server)
    before = found(names)
    server.hosts = ()
    server.now += INTERVAL
    assert (found(names), server.asked) == (before, 2)
    server.now += INTERVAL - 1
    assert (found(names), server.asked) == (before, 2)
    server.now += 1
    assert (found(names), server.asked) == (before, 3)


def test_a_name_that_was_never_known_is_asked_for_each_time() -> None:
    server = NameServer()
    names = resolver(server)
    for _ in range(2):
        with pytest.raises(OSError, match="the name server is down"):
            found(names)
    assert server.asked == 2
    server.hosts = ("10.0.0.1",)
    assert len(found(names)) == 1


@pytest.mark.parametrize(("host", "family"), [
    ("10.0.0.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6),
])  # fmt: skip
def test_addresses_are_never_asked_for(host: str, family: int) -> None:
    server = NameServer()
    names = resolver(server, host)
    server.now += 10 * INTERVAL
    assert (found(names), server.asked) == ([(family, (host, 8080))], 0)


@conversation
async def test_a_backend_is_reached_by_its_name() -> None:
    backend = FakeBackend()
    await backend.start()
    async with serving(f"http://localhost:{backend.port}") as proxy:
        client = await proxy.connect()
        assert (await client.get()).endswith(b"ok")
        assert b"\r\nHost: example.org\r\n" in backend.heads[0]
    await backend.stop()


@conversation
async def test_connections_in_use_follow_a_name_that_moves() -> None:
    old, new = FakeBackend(), FakeBackend(answers=[OK.replace(b"ok", b"!!")])
    await old.start()
    await new.start(host="127.0.0.2", port=old.port)
    async with serving(f"http://localhost:{old.port}") as proxy:
        (pool,) = proxy.server.service.connections
        client = await proxy.connect()
        server = NameServer("127.0.0.1")
        loop = cast("asyncio.AbstractEventLoop", server)
        pool.resolver = names = Resolver(loop, "localhost", old.port, 0)
        assert (await client.get()).endswith(b"ok")
        server.hosts = ("127.0.0.2",)
        assert (await client.get()).endswith(b"ok")
        pool.sweep(0.0)
        await until(lambda: names.moved)
        pool.sweep(0.0)
        assert not names.moved
        assert (await client.get()).endswith(b"!!")
        assert (await client.get()).endswith(b"!!")
    assert (old.accepted, new.accepted) == (1, 1)
    await old.stop()
    await new.stop()


@conversation
async def test_a_name_that_can_not_be_one_is_a_backend_that_can_not_be_reached() -> None:
    name = "a" * 64 + ".example"
    with pytest.raises(OSError, match=f"{name} is no name"):
        await Resolver(asyncio.get_running_loop(), name, 80, INTERVAL).addresses()
