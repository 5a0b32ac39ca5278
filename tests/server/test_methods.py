"""Methods that are about the proxy or the way to it: OPTIONS, CONNECT and TRACE."""

from __future__ import annotations

import pytest

from .support import FakeBackend, conversation, serving

ALLOW = b"\r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"


@pytest.mark.parametrize("target", ["*", "http://other.example"])
@conversation
async def test_options_for_the_server_is_answered_by_the_proxy(target: str) -> None:
    backend = FakeBackend()
    async with serving(backend, server={"access_log": {"path": "/dev/null"}}) as proxy:
        client = await proxy.connect()
        for _ in range(2):
            answer = await client.get(target, method="OPTIONS")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert ALLOW in answer and answer.endswith(b"\r\nContent-Length: 0\r\n\r\n")
        assert (await client.get("/api")).endswith(b"ok")
    assert len(backend.heads) == 1


@conversation
async def test_options_for_a_path_is_a_backends_to_answer() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for target in ("/api", "http://other.example/api"):
            assert (await client.get(target, method="OPTIONS")).endswith(b"ok")
    assert [head.partition(b"\r\n")[0] for head in backend.heads] == [b"OPTIONS /api HTTP/1.1"] * 2


@conversation
async def test_options_is_passed_on_as_often_as_it_says() -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for hops in ("2", "1", "some", "0"):
            await client.get("/api", f"Max-Forwards: {hops}", method="OPTIONS")
        answer = await client.get("/api", "Max-Forwards: 0", method="OPTIONS")
        assert ALLOW in answer
        assert (await client.get("/api", "Max-Forwards: 0")).endswith(b"ok")
    said = [[line for line in head.split(b"\r\n") if b"Max-" in line] for head in backend.heads]
    assert said == [
        [b"Max-Forwards: 1"], [b"Max-Forwards: 0"], [b"Max-Forwards: some"], [b"Max-Forwards: 0"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "target"),
    [("CONNECT", "other.example:443"), ("TRACE", "/api"), ("TRACE", "http://other.example/api")],
)
@conversation
async def test_nothing_is_tunnelled_or_traced(method: str, target: str) -> None:
    backend = FakeBackend()
    async with serving(backend) as proxy:
        client = await proxy.connect()
        for _ in range(2):
            answer = await client.get(target, "Cookie: secret=1", method=method)
            assert answer.startswith(b"HTTP/1.1 405 ") and ALLOW in answer
            assert b"secret" not in answer
        assert (await client.get("/api")).endswith(b"ok")
    assert len(backend.heads) == 1
