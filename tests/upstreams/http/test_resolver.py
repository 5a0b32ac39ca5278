"""Names and their addresses over time, with a name server that says what a test wants."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from threading import Event
from typing import Any

import pytest

from l7proxy.upstreams.http import resolver as module
from l7proxy.upstreams.http.resolver import Lookups, Resolver
from tests.processes import ROOT
from tests.server.support import OK, FakeBackend, conversation, serving, until

from .names import INTERVAL, NameServer


async def found(names: Resolver) -> list[Any]:
    """The addresses, and then what the look-up that this has begun has brought, if it has."""
    await names.addresses()
    await until(lambda: not names.asking)
    return await names.addresses()


@conversation
async def test_all_addresses_of_a_name_are_given_in_order() -> None:
    assert await found(NameServer("::2", "10.0.0.2").resolver()) == [
        (socket.AF_INET6, ("::2", 8080)),
        (socket.AF_INET, ("10.0.0.2", 8080)),
    ]


@conversation
async def test_an_answer_is_believed_until_the_interval_is_over() -> None:
    server = NameServer("10.0.0.1")
    names = server.resolver()
    before = await found(names)
    server.hosts = ("10.0.0.2",)
    server.now += INTERVAL - 1
    assert (await found(names), server.asked) == (before, 1)
    server.now += 1
    assert (await found(names), server.asked) == ([(socket.AF_INET, ("10.0.0.2", 8080))], 2)


@conversation
async def test_nobody_waits_for_the_name_server_where_the_addresses_are_known() -> None:
    server = NameServer("10.0.0.1")
    names = server.resolver()
    before = await found(names)
    server.hosts = ("10.0.0.2",)
    server.silent = {"shop.example"}
    for _ in range(3):
        server.now += INTERVAL
        assert await names.addresses() == before
        assert (names.asking, names.is_due) == (True, False)
    await until(lambda: server.asked == 2)
    server.released.set()
    await until(lambda: not names.asking)
    assert await names.addresses() == [(socket.AF_INET, ("10.0.0.2", 8080))]


@conversation
async def test_a_name_is_asked_for_once_at_a_time_whoever_asks() -> None:
    server = NameServer("10.0.0.1")
    server.silent = {"shop.example"}
    resolvers = [server.resolver() for _ in range(2)]
    waiting = [asyncio.ensure_future(names.addresses()) for names in resolvers for _ in range(30)]
    await until(lambda: server.asked == 1)
    waiting.pop().cancel()
    server.released.set()
    answers = await asyncio.gather(*waiting)
    assert answers == [[(socket.AF_INET, ("10.0.0.1", 8080))]] * 59
    assert server.questions == {"shop.example": 1}


@conversation
async def test_names_that_get_no_answer_hold_up_no_other() -> None:
    server = NameServer("10.0.0.1")
    server.silent = {f"{number}.example" for number in range(60)}
    silent = [asyncio.ensure_future(server.resolver(host).addresses()) for host in server.silent]
    await until(lambda: server.asked == 60)
    assert len(await server.resolver("good.example").addresses()) == 1
    server.released.set()
    await asyncio.gather(*silent)


@conversation
async def test_of_very_many_names_some_wait_for_a_thread() -> None:
    server = NameServer("10.0.0.1")
    most = module.MOST_AT_ONCE
    server.silent = {f"{number}.example" for number in range(most + 20)}
    silent = [asyncio.ensure_future(server.resolver(host).addresses()) for host in server.silent]
    await until(lambda: server.asked == most)
    server.released.set()
    assert len(await asyncio.gather(*silent)) == most + 20


NAMELESS = """
import asyncio, resource, socket, sys, threading
from l7proxy.upstreams.http.resolver import Lookups

async def main():
    lookups = Lookups(asyncio.get_running_loop(), lambda host: threading.Event().wait())
    for number in range(60):
        lookups.look_up(f"{number}.example")
    await asyncio.sleep(0)
    print(threading.active_count())

asyncio.run(main())
"""


def test_the_process_ends_whoever_is_still_being_asked_for() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", NAMELESS], cwd=ROOT, timeout=60, capture_output=True, check=True
    )
    assert (ended.stdout, ended.stderr) == (b"61\n", b"")


@conversation
async def test_an_answer_that_comes_when_all_is_over_is_dropped() -> None:
    release = Event()
    ended: list[Event] = []

    def ask(host: str) -> list[tuple[socket.AddressFamily, str]]:
        ended.append(Event())
        try:
            release.wait()
            return []
        finally:
            ended[0].set()

    other = asyncio.new_event_loop()
    Lookups(other, ask).look_up("shop.example")
    other.close()
    release.set()
    await until(lambda: ended and ended[0].is_set())


@conversation
async def test_where_there_is_no_room_for_a_thread_the_name_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room(self: object) -> None:
        raise RuntimeError("can't start new thread")

    names = NameServer("10.0.0.1").resolver()
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", no_room)
        with pytest.raises(OSError, match="can't start new thread"):
            await names.addresses()
    assert len(await names.addresses()) == 1


@conversation
async def test_a_name_has_moved_when_it_loses_an_address_and_not_when_it_gains_one() -> None:
    server = NameServer("10.0.0.1")
    names = server.resolver()
    moves = []
    for hosts in (("10.0.0.1",), ("10.0.0.2", "10.0.0.1"), (), ("10.0.0.2",)):
        server.hosts = hosts
        server.now += INTERVAL
        await found(names)
        moves.append(names.moved)
    assert moves == [False, False, False, True]
    assert (names.has(("10.0.0.2", 8080)), names.has(("10.0.0.1", 8080))) == (True, False)
    assert not names.has(("10.0.0.2", 80)) and not names.has(None)


@conversation
async def test_only_what_is_known_has_to_be_asked_for_anew() -> None:
    server = NameServer("10.0.0.1")
    names, number = server.resolver(), server.resolver("10.0.0.1")
    assert (names.is_due, number.is_due) == (False, False)
    await found(names)
    server.now += INTERVAL - 1
    assert not names.is_due
    server.now += 1
    assert (names.is_due, number.is_due) == (True, False)


@conversation
async def test_a_name_that_is_not_known_any_more_keeps_its_addresses_for_another_interval() -> None:
    server = NameServer("10.0.0.1")
    names = server.resolver()
    before = await found(names)
    server.hosts = ()
    server.now += INTERVAL
    assert (await found(names), server.asked) == (before, 2)
    server.now += INTERVAL - 1
    assert (await found(names), server.asked) == (before, 2)
    server.now += 1
    assert (await found(names), server.asked) == (before, 3)


@conversation
async def test_a_name_that_was_never_known_is_asked_for_each_time() -> None:
    server = NameServer()
    names = server.resolver()
    for _ in range(2):
        with pytest.raises(OSError, match="the name server is down"):
            await found(names)
    assert server.asked == 2
    server.hosts = ("10.0.0.1",)
    assert len(await found(names)) == 1


@pytest.mark.parametrize(("host", "family"), [
    ("10.0.0.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6),
])  # fmt: skip
def test_addresses_are_never_asked_for(host: str, family: int) -> None:
    @conversation
    async def talk() -> None:
        server = NameServer()
        names = server.resolver(host)
        server.now += 10 * INTERVAL
        assert (await found(names), server.asked) == ([(family, (host, 8080))], 0)

    talk()


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
        pool.connector.resolver = names = Resolver(
            server.lookups, server.time, "localhost", old.port, 0
        )
        await names.addresses()
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
    loop, name = asyncio.get_running_loop(), "a" * 64 + ".example"
    with pytest.raises(OSError, match=f"{name} is no name"):
        await Resolver(Lookups(loop), loop.time, name, 80, INTERVAL).addresses()


@conversation
async def test_backends_whose_names_are_known_are_used_while_others_get_no_answer() -> None:
    backend = FakeBackend()
    await backend.start()
    async with serving(f"http://shop.example:{backend.port}", http={"keep_alive": False}) as proxy:
        (pool,) = proxy.server.service.connections
        server = NameServer("127.0.0.1")
        pool.connector.resolver = Resolver(
            server.lookups, server.time, "shop.example", backend.port, 0
        )
        client = await proxy.connect()
        assert (await client.get()).endswith(b"ok")
        server.silent = {"shop.example"}
        for _ in range(3):
            assert (await client.get()).endswith(b"ok")
        assert pool.resolver.asking
        server.released.set()
        await until(lambda: not pool.resolver.asking)
    await backend.stop()
