"""Reload, drain, the access log, unix sockets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from l7proxy.core.config import ConfigError, config_from
from tests.processes import run

from .support import (
    OK,
    BackendTalk,
    Client,
    FakeBackend,
    Running,
    conversation,
    free_port,
    held,
    pool_config,
    serving,
    until,
)


@conversation
async def test_a_reload_serves_the_new_routes_and_keeps_the_connections() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.get("/api/x")
        proxy.server.reload(config_from({"backend_pools": {"shop": pool_config(backend)}}))
        assert (await client.get("/api/x")).startswith(b"HTTP/1.1 404 ")
        assert (await client.get("/shop")).endswith(b"ok")
    assert backend.accepted == 1


@conversation
async def test_a_request_in_flight_ends_under_the_configuration_it_began_with() -> None:
    release = asyncio.Event()

    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await release.wait()
        await talk.say(OK)
        await talk.rest()

    backend = FakeBackend(script)
    other = FakeBackend()
    await other.start()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: proxy.in_flight == 1)
        proxy.server.reload(config_from({"backend_pools": {"api": pool_config(other)}}))
        release.set()
        assert (await client.response()).endswith(b"ok")
        assert (await client.get()).endswith(b"ok")
    assert (backend.accepted, other.accepted) == (1, 1)
    await other.stop()


@conversation
async def test_a_configuration_that_can_not_be_put_to_work_changes_nothing() -> None:
    async with serving(FakeBackend()) as proxy:
        client = await proxy.connect()
        bad = {"backend_pools": {"api": {"backends": ["a:1"], "upstream": "envelope"}}}
        with pytest.raises(ConfigError, match="/backend_pools/api/upstream"):
            proxy.server.reload(config_from(bad))
        assert (await client.get()).endswith(b"ok")


@conversation
async def test_who_is_ejected_at_a_reload_is_back_when_its_time_is_over() -> None:
    backend = FakeBackend(answers=[b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", OK])
    settings: dict[str, Any] = {
        "ejection": {"consecutive_failures": 1, "time": 0.05, "max_share": 1}
    }
    async with serving(backend, **settings) as proxy:
        client = await proxy.connect()
        assert (await client.get()).startswith(b"HTTP/1.1 500 ")
        pools = {"api": pool_config(backend, **settings)}
        proxy.server.reload(config_from({"backend_pools": pools}))
        assert not proxy.pool().backends[0].eligible
        await until(lambda: proxy.pool().backends[0].eligible)
        assert (await client.get()).endswith(b"ok")


@conversation
async def test_who_has_to_be_found_up_first_is_not_found_anew_at_a_reload() -> None:
    backend = FakeBackend()
    health = {"interval": 0.01, "timeout": 0.01, "rise": 1, "initially_up": False}
    async with serving(backend, health=health) as proxy:
        await until(lambda: proxy.pool().backends[0].eligible)
        client = await proxy.connect()
        pools = {"api": pool_config(backend, health={**health, "interval": 60})}
        proxy.server.reload(config_from({"backend_pools": pools}))
        assert (await client.get()).endswith(b"ok")


@conversation
async def test_a_log_that_can_not_be_written_is_a_problem_of_the_configuration() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        pools = {"shop": pool_config(backend)}
        server = {"access_log": {"path": "/none/access.log"}}
        with pytest.raises(ConfigError, match=r"/server/access_log/path: can't write to it: No"):
            proxy.server.reload(config_from({"backend_pools": pools, "server": server}))
        assert (await (await proxy.connect()).get("/api")).endswith(b"ok")


@conversation
async def test_reloading_many_times_under_load_loses_no_request() -> None:
    backends = FakeBackend(), FakeBackend()
    async with serving(*backends) as proxy:
        config = config_from({"backend_pools": {"api": pool_config(*backends)}})
        done = 0

        async def ask() -> None:
            nonlocal done
            client = await proxy.connect()
            for _ in range(50):
                assert (await client.get()).endswith(b"ok")
                done += 1

        load = asyncio.gather(*(ask() for _ in range(4)))
        while not load.done():
            before = done
            proxy.server.reload(config)
            await until(lambda before=before: done > before or load.done())  # type: ignore[misc]
        await load
    assert done == 200


@conversation
async def test_pools_with_the_same_backend_each_have_connections_of_their_own_settings() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        pools = {
            "once": pool_config(backend, http={"keep_alive": False}),
            "kept": pool_config(backend, http={"max_idle": 1}),
            "also": pool_config(backend, http={"max_idle": 1}),
        }
        proxy.server.reload(config_from({"backend_pools": pools}))
        client = await proxy.connect()
        for path, accepted in (
            ("/once", 1), ("/kept", 2), ("/once", 3), ("/kept", 3), ("/also", 3),
        ):  # fmt: skip
            assert (await client.get(path)).endswith(b"ok")
            assert backend.accepted == accepted


@conversation
async def test_what_is_in_flight_over_a_reload_is_still_given_up_when_it_stands_still() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(OK[:-1])
        await talk.rest()

    backend = FakeBackend(script)
    async with serving(backend, http={"between_bytes_timeout": 5}) as proxy:
        client = await proxy.connect()
        await client.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
        assert await client.read(1) == b"o"
        proxy.server.reload(config_from({"backend_pools": {"shop": pool_config("a:1")}}))
        pools, now = proxy.server.pools, asyncio.get_running_loop().time()
        pools.sweep(now + 6)
        assert await client.until_close() == b""
        await until(lambda: not any(pool.busy for pool in pools.all_pools()))
        pools.sweep(now)
        assert [pool.address for pool in pools.all_pools()] == ["a:1"]


@conversation
async def test_draining_finishes_what_is_in_flight_and_takes_nothing_new() -> None:
    release = asyncio.Event()
    async with serving(FakeBackend(held(release))) as proxy:
        idle, busy = await proxy.connect(), await proxy.connect()
        await busy.say(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: proxy.in_flight == 1 and len(proxy.server.listener.connections) == 2)
        draining = asyncio.ensure_future(proxy.server.listener.drain(10))
        assert await idle.until_close() == b""
        with pytest.raises(OSError):
            await proxy.connect()
        release.set()
        answer = await busy.until_close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        await draining


@pytest.mark.parametrize("form", ["envelope", "combined"])
@conversation
async def test_the_access_log_tells_each_request(tmp_path: Path, form: str) -> None:
    file = tmp_path / "access.log"
    file.unlink(missing_ok=True)
    log = {"path": str(file), "format": form}
    async with serving(FakeBackend(), server={"access_log": log}) as proxy:
        client = await proxy.connect()
        await client.get('/api/"x"?a=1', 'User-Agent: te"st')
        await client.get("/none")
    lines = file.read_text().splitlines()
    if form == "combined":
        assert lines[0].startswith("127.0.0.1 - - [")
        assert '"GET /api/\\"x\\"?a=1 HTTP/1.1" 200 ' in lines[0]
        assert lines[0].endswith('"-" "te\\"st"')
        assert '" 404 ' in lines[1]
    else:
        first, second = map(json.loads, lines)
        assert first["body"]["path"] == '/api/"x"?a=1'
        assert first["body"]["headers"]["User-Agent"] == 'te"st'
        assert (first["body"]["status"], first["body"]["backend"]) == (200, "127.0.0.1")
        assert second["body"]["status"] == 404
        assert first["at"] <= second["at"]
        outcome = run(said=file.read_bytes())
        replies = [json.loads(line) for line in outcome.out.splitlines()]
        assert [reply["body"]["status"] for reply in replies] == [200, 404]


def _logged(file: Path) -> list[tuple[str, int, int]]:
    """The request line, status and bytes of each line of a combined log."""
    found = [re.findall(r'"(.*?)" (\d+) (\d+) "', line) for line in file.read_text().splitlines()]
    return [(line, int(status), int(size)) for ((line, status, size),) in found]


@conversation
async def test_the_access_log_has_the_bytes_of_bodies_alone() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + 99999 * b"x"
    empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    backend = FakeBackend(answers=[OK, empty, chunked, large, OK])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "access.log"
        async with serving(backend, server={"access_log": {"path": str(file)}}) as proxy:
            client = await proxy.connect()
            await client.get()
            await client.get("/api/empty")
            await client.get("/api/chunks")
            assert (await client.read(13)).endswith(b"0\r\n\r\n")
            await client.get("/api/large")
            page = await client.get("/none")
            await client.say(b"HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.head()
        size = len(page.partition(b"\r\n\r\n")[2])
        assert _logged(file) == [
            ("GET /api/x HTTP/1.1", 200, 2),
            ("GET /api/empty HTTP/1.1", 200, 0),
            ("GET /api/chunks HTTP/1.1", 200, 3),
            ("GET /api/large HTTP/1.1", 200, 99999),
            ("GET /none HTTP/1.1", 404, size),
            ("HEAD /none HTTP/1.1", 404, 0),
        ]


@conversation
async def test_the_access_log_has_what_was_refused() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "access.log"
        server = {"access_log": {"path": str(file)}, "limits": {"body": 9}}
        async with serving(FakeBackend(), server=server) as proxy:
            wanted = []
            for said, status in (
                (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
                (b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 413),
            ):
                client = await proxy.connect()
                await client.say(said)
                head, _, page = (await client.until_close()).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 %d " % status)
                wanted.append((said.partition(b"\r\n")[0].decode(), status, len(page)))
            slow = await proxy.connect()
            await slow.say(b"GET /slow HTTP/1.1\r\nHo")
            await until(lambda: any(c.read_ahead for c in proxy.server.listener.connections))
            proxy.overdue(11)
            page = (await slow.until_close()).partition(b"\r\n\r\n")[2]
            wanted.append(("GET /slow HTTP/1.1", 408, len(page)))
        assert _logged(file) == wanted


@conversation
async def test_the_access_log_has_499_for_clients_that_did_not_wait() -> None:
    async def script(talk: BackendTalk) -> None:
        await talk.head()
        await talk.say(OK)
        await talk.rest()

    with TemporaryDirectory() as folder:
        file = Path(folder) / "access.log"
        server = {"access_log": {"path": str(file)}}
        async with serving(FakeBackend(script), server=server) as proxy:
            client = await proxy.connect()
            await client.get()
            await client.say(b"GET /api/y HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: proxy.in_flight == 1)
            client.reset()
            await until(lambda: proxy.in_flight == 0)
            half = await proxy.connect()
            await half.say(b"POST /api/z HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
            await until(lambda: proxy.in_flight == 1)
            half.writer.write_eof()
            assert await half.until_close() == b""
        assert _logged(file) == [
            ("GET /api/x HTTP/1.1", 200, 2),
            ("GET /api/y HTTP/1.1", 499, 0),
            ("POST /api/z HTTP/1.1", 499, 0),
        ]


@conversation
async def test_x_forwarded_for_is_believed_from_trusted_proxies_only() -> None:
    backend = FakeBackend()
    fields = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: b")
    async with serving(backend) as proxy:
        await (await proxy.connect()).get("/api", *fields)
    async with serving(backend, server={"trusted_proxies": ["127.0.0.0/8"]}) as proxy:
        client = await proxy.connect()
        await client.get("/api", *fields)
        await client.get("/api", *fields)
    untrusted, trusted, again = (
        sorted(line for line in head.split(b"\r\n") if line.startswith(b"X-F"))
        for head in backend.heads
    )
    assert again == trusted
    assert untrusted == [
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Forwarded-Host: example.org",
        b"X-Forwarded-Proto: http",
    ]
    assert trusted == [
        b"X-Forwarded-For: 1.2.3.4, 127.0.0.1",
        b"X-Forwarded-Host: b",
        b"X-Forwarded-Proto: https",
    ]


@conversation
async def test_via_and_forwarded_are_added_where_they_are_wanted() -> None:
    backend = FakeBackend()
    async with serving(backend, server={"via": "edge", "forwarded": True}) as proxy:
        client = await proxy.connect()
        answer = await client.get("/api", "Via: 1.0 fred")
    assert b"\r\nVia: 1.1 edge\r\n" in answer
    assert b"\r\nVia: 1.0 fred, 1.1 edge\r\n" in backend.heads[0]
    assert b'\r\nForwarded: for=127.0.0.1;proto=http;host="example.org"\r\n' in backend.heads[0]


@conversation
async def test_hop_by_hop_fields_stop_in_both_directions() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nContent-Length: 2\r\n\r\nok"
    )
    backend = FakeBackend(answers=[answer])
    async with serving(backend) as proxy:
        client = await proxy.connect()
        heard = await client.get("/api", "Connection: X-Yours", "X-Yours: 1", "TE: gzip, trailers")
        assert b"X-Mine" not in heard
        assert b"Connection" not in heard
        await client.get("/api")
    assert b"X-Yours" not in backend.heads[0]
    # That trailers are taken is said anew, for they are passed on.
    assert b"\r\nConnection: TE\r\nTE: trailers\r\n" in backend.heads[0]
    assert b"TE:" not in backend.heads[1]
    assert backend.accepted == 2


@conversation
async def test_routes_rewrite_what_is_sent_and_edit_what_comes_back() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        route: dict[str, Any] = {
            "path_pattern": "/v1/*",
            "backend_pool": "api",
            "rewrite": {"strip_prefix": "/v1", "host": "inner"},
            "request_headers": {"set": {"X-Edge": "1"}, "remove": ["Cookie"]},
            "response_headers": {"set": {"X-Served-By": "us"}},
        }
        pools = {"api": pool_config(backend)}
        proxy.server.reload(config_from({"backend_pools": pools, "routes": [route]}))
        client = await proxy.connect()
        answer = await client.get("/v1/a/../b?c=%64", "Cookie: a=b")
    lines = backend.heads[0].split(b"\r\n")
    assert lines[0] == b"GET /b?c=%64 HTTP/1.1"
    assert b"Host: inner" in lines
    assert b"X-Edge: 1" in lines
    assert b"X-Forwarded-Host: example.org" in lines
    assert b"Cookie: a=b" not in lines
    assert b"\r\nX-Served-By: us\r\n" in answer


@pytest.mark.parametrize(("edits", "lines"), [
    ({"set": {"x-forwarded-for": "hidden"}}, ["x-forwarded-for: hidden"]),
    ({"remove": ["X-Forwarded-For"]}, []),
    ({"add": {"X-Forwarded-For": "also"}},
     ["X-Forwarded-For: also", "X-Forwarded-For: 127.0.0.1"]),
    ({"set": {"Via": "us"}}, ["X-Forwarded-For: 127.0.0.1"]),
])  # fmt: skip
@pytest.mark.parametrize("field", ["A: b", "X-Forwarded-For: 1.2.3.4", "Via: 1.0 fred"])
@conversation
async def test_what_a_route_says_of_a_field_counts_for_those_that_the_proxy_adds(
    edits: dict[str, Any], lines: list[str], field: str
) -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        route = {"path_pattern": "/*", "backend_pool": "api", "request_headers": edits}
        pools = {"api": pool_config(backend)}
        proxy.server.reload(config_from({"backend_pools": pools, "routes": [route]}))
        await (await proxy.connect()).get("/x", field)
    sent = backend.heads[0].decode().split("\r\n")
    assert [line for line in sent if line.lower().startswith("x-forwarded-for:")] == lines
    vias = [line for line in sent if line.lower().startswith("via:")]
    if "Via" in edits.get("set", ()):
        assert vias == ["Via: us"]
    else:
        assert vias == [field] * field.startswith("Via")


@conversation
async def test_a_mirror_gets_a_copy_and_its_answer_goes_nowhere() -> None:
    backend, mirror = FakeBackend(), FakeBackend()
    await mirror.start()
    async with serving(backend) as proxy:
        route = {"path_pattern": "/*", "backend_pool": "api", "mirror": "copy"}
        pools = {"api": pool_config(backend), "copy": pool_config(mirror)}
        proxy.server.reload(config_from({"backend_pools": pools, "routes": [route]}))
        client = await proxy.connect()
        assert (await client.get("/api/x", "X-Forwarded-For: 1.2.3.4")).endswith(b"ok")
        await until(lambda: len(mirror.heads) == 1)
        await until(lambda: proxy.in_flight == 0)
    assert mirror.heads == [
        b"GET /api/x HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"
    ]
    await mirror.stop()


class Mirrored:
    """What a mirror hears: the field with the length, and the body; it answers with an error."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, bytes]] = []
        self.backend = FakeBackend(self._script)

    async def _script(self, talk: BackendTalk) -> None:
        while head := await talk.head():
            (length,) = (line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
            self.heard.append((length, await talk.read(int(length.split()[1]))))
            await talk.say(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")


async def reads_all(talk: BackendTalk) -> None:
    """Answers requests whose bodies end with an exclamation mark."""
    while await talk.head():
        await talk.reader.readuntil(b"!")
        await talk.say(OK)


@asynccontextmanager
async def mirroring() -> AsyncIterator[tuple[Running, Mirrored]]:
    """A proxy that keeps 8 bytes of a body, and its mirror."""
    backend, mirror = FakeBackend(reads_all), Mirrored()
    async with serving(backend, mirror.backend) as proxy:
        route = {"path_pattern": "/*", "backend_pool": "api", "mirror": "copy"}
        http = {"replay_limit": 8}
        pools = {
            "api": pool_config(backend, http=http), "copy": pool_config(mirror.backend, http=http)
        }  # fmt: skip
        proxy.server.reload(config_from({"backend_pools": pools, "routes": [route]}))
        yield proxy, mirror


POST = b"POST /api HTTP/1.1\r\nHost: a\r\n"


@conversation
async def test_a_mirror_gets_the_body_too_once_it_is_there() -> None:
    async with mirroring() as (proxy, mirror):
        client = await proxy.connect()
        await client.say(POST + b"Content-Length: 3\r\n\r\nab!")
        assert (await client.response()).endswith(b"ok")
        await until(lambda: len(mirror.heard) == 1)
        await client.say(POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n")
        await until(lambda: proxy.pool().active == 1)
        assert proxy.pool("copy").backends[0].total == 1
        await client.say(b"4\r\nefg!\r\n0\r\n\r\n")
        assert (await client.response()).endswith(b"ok")
        await until(lambda: len(mirror.heard) == 2)
    assert mirror.heard == [(b"Content-Length: 3", b"ab!"), (b"Content-Length: 8", b"abcdefg!")]


@conversation
async def test_a_body_that_is_not_kept_is_not_mirrored_which_is_said_once() -> None:
    async with mirroring() as (proxy, mirror):
        client = await proxy.connect()
        for pieces in ((b"abcdefgh!",), (b"abcd", b"efgh!"), (b"abcd", b"efg!")):
            await client.say(POST + b"Content-Length: %d\r\n\r\n" % sum(map(len, pieces)))
            for piece in pieces:
                await client.say(piece)
            assert (await client.response()).endswith(b"ok")
        await until(lambda: len(mirror.heard) == 1)
        assert mirror.heard[0][1] == b"abcdefg!"
        assert [line for line in proxy.log if "mirrored" in line] == [
            "pool copy: requests whose bodies are too large to be kept are not mirrored"
        ]


@conversation
async def test_a_body_that_never_comes_is_nothing_to_a_mirror() -> None:
    async with mirroring() as (proxy, mirror):
        client = await proxy.connect()
        await client.say(POST + b"Content-Length: 3\r\n\r\na")
        await until(lambda: proxy.pool().active == 1)
        client.reset()
        await until(lambda: proxy.pool().active == 0)
        assert proxy.pool("copy").backends[0].total == 0
    assert mirror.backend.accepted == 0


@conversation
async def test_health_checks_take_a_backend_out_and_bring_it_back() -> None:
    sick = FakeBackend()
    health = {"interval": 0.01, "timeout": 0.05, "fall": 1, "rise": 1, "path": "/health"}
    port = free_port()
    async with serving(f"http://127.0.0.1:{port}", health=health) as proxy:
        (backend,) = proxy.pool().backends
        await until(lambda: not backend.eligible)
        await sick.start(port)
        await until(lambda: backend.eligible)
        assert (await (await proxy.connect()).get()).endswith(b"ok")
    assert any(head.startswith(b"GET /health HTTP/1.1\r\n") for head in sick.heads)
    await sick.stop()


@conversation
async def test_backends_and_listeners_can_be_unix_sockets() -> None:
    with TemporaryDirectory() as directory:
        path = f"{directory}/backend.sock"
        backend = FakeBackend()
        await backend.start_at(path)
        async with serving(f"unix:{path}") as proxy:
            from l7proxy.server.server import bind

            proxy.server.listener.listen(bind(f"unix:{directory}/front.sock"))
            client = Client(*await asyncio.open_unix_connection(f"{directory}/front.sock"))
            proxy.clients.append(client)
            assert (await client.get()).endswith(b"ok")
        await backend.stop()
