"""Sticky sessions and rate limits as an HTTP client meets them."""

from __future__ import annotations

import re

from .support import OK, FakeBackend, conversation, serving

COOKIE = {"cookie": {"key_env": "KEY", "max_age": 60}}


def secrets(kind: str, name: str) -> bytes:
    assert (kind, name) == ("env", "KEY")
    return b"0123456789abcdef"


def set_cookies(response: bytes) -> list[str]:
    return re.findall(r"\r\nSet-Cookie: ([^\r]*)", response.decode())


@conversation
async def test_the_sealed_cookie_brings_a_client_back() -> None:
    backends = [FakeBackend() for _ in range(3)]
    async with serving(*backends, sticky=COOKIE, secrets=secrets) as proxy:
        client = await proxy.connect()
        [told] = set_cookies(await client.get())
        assert re.fullmatch(r"l7proxy=[\w-]{32}; Path=/; Max-Age=60; HttpOnly", told)
        for _ in range(5):
            assert set_cookies(await client.get("/api/x", f"Cookie: {told.split(';')[0]}")) == []
        await client.get()
        await client.get()
        # The same response, remembered as bytes, is told anew to each client and to no other.
        assert len(set_cookies(await client.get())) == 1
    assert [len(backend.heads) for backend in backends] == [7, 1, 1]


@conversation
async def test_a_client_of_a_backend_that_is_gone_is_told_of_another() -> None:
    gone, successors = FakeBackend(), FakeBackend()
    async with serving(gone, successors, sticky=COOKIE, secrets=secrets) as proxy:
        client = await proxy.connect()
        [told] = set_cookies(await client.get())
        await gone.stop()
        [again] = set_cookies(await client.get("/api/x", f"Cookie: {told.split(';')[0]}"))
        assert again != told
        assert set_cookies(await client.get("/api/x", f"Cookie: {again.split(';')[0]}")) == []
    assert len(successors.heads) == 2


@conversation
async def test_the_applications_session_is_learned_from_its_response() -> None:
    session = b"HTTP/1.1 200 OK\r\nSet-Cookie: session_id=s7; Path=/\r\nContent-Length: 2\r\n\r\nok"
    first, second = FakeBackend(), FakeBackend(answers=[session, OK])
    async with serving(first, second, sticky={"learn": {}}) as proxy:
        client = await proxy.connect()
        [made] = set_cookies(await client.get())
        assert re.fullmatch(r"session_id=[0-9a-f]{32}; Path=/; HttpOnly", made)
        assert set_cookies(await client.get()) == ["session_id=s7; Path=/"]
        for _ in range(3):
            assert set_cookies(await client.get("/api/x", "Cookie: a=b; session_id=s7")) == []
    assert [len(first.heads), len(second.heads)] == [1, 4]


@conversation
async def test_simulated_backends_are_sticky_too() -> None:
    async with serving("a:80", "b:80", upstream="simulated", sticky={"learn": {}}) as proxy:
        client = await proxy.connect()
        [made] = set_cookies(await client.get())
        assert set_cookies(await client.get("/api/x", f"Cookie: {made.split(';')[0]}")) == []
        assert proxy.pool().snapshot()["sticky"]["honoured"] == 1


@conversation
async def test_too_many_requests_are_answered_429_and_the_connection_lives_on() -> None:
    limit = {"requests_per_second": 0.01, "burst": 2, "per": "client_ip"}
    backend = FakeBackend()
    async with serving(backend, rate_limit=limit) as proxy:
        client = await proxy.connect()
        answers = [await client.get() for _ in range(4)]
    assert [answer[9:12] for answer in answers] == [b"200", b"200", b"429", b"429"]
    head = answers[2].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"Retry-After: 100" in head
    assert b"X-RateLimit-Limit: 2" in head
    assert b"X-RateLimit-Remaining: 0" in head
    assert len(backend.heads) == 2


@conversation
async def test_who_is_admitted_is_told_what_is_left_where_that_is_wanted() -> None:
    limit = {"requests_per_second": 0.01, "burst": 3}
    # One that is passed on at once, and one that is passed on as it comes.
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    backend = FakeBackend(answers=[OK, large, OK])
    limits = {"per_ip": limit, "headers": "always"}
    async with serving(backend, top={"rate_limits": limits}) as proxy:
        client = await proxy.connect()
        answers = [await client.get() for _ in range(4)]
    assert [answer[9:12] for answer in answers] == [b"200", b"200", b"200", b"429"]
    left = [re.findall(rb"\r\nX-RateLimit-Remaining: (\d)\r\n", answer) for answer in answers]
    assert left == [[b"2"], [b"1"], [b"0"], [b"0"]]


@conversation
async def test_a_reload_forgets_neither_sessions_nor_limits() -> None:
    limit = {"requests_per_second": 0.01, "burst": 4}
    first, second = FakeBackend(), FakeBackend()
    async with serving(first, second, sticky={"learn": {}}, rate_limit=limit) as proxy:
        client = await proxy.connect()
        await client.get("/api/x", "Cookie: session_id=mine")
        await client.get()
        proxy.server.reload(proxy.server.service.config)
        for _ in range(2):
            assert set_cookies(await client.get("/api/x", "Cookie: session_id=mine")) == []
        assert (await client.get())[9:12] == b"429"
    assert [len(first.heads), len(second.heads)] == [3, 1]


@conversation
async def test_the_ids_of_sessions_follow_from_no_seed() -> None:
    backend = FakeBackend()
    told = []
    for _ in range(2):
        async with serving(backend, sticky={"learn": {}}) as proxy:
            told += set_cookies(await (await proxy.connect()).get())
    assert told[0] != told[1]
