"""What clients are told where the proxy answers by itself."""

from __future__ import annotations

import pytest

from .support import FakeBackend, conversation, serving, until


@pytest.mark.parametrize(("request_", "page"), [
    (b"GET /api HTTP/1.1\r\n\r\n",
     b"400 Bad Request: no Host field; an HTTP/1.1 request must have one\n"),
    (b"GET /api%2Fx HTTP/1.1\r\nHost: a\r\n\r\n",
     b"400 Bad Request: the path has an encoded slash, %2F\n"),
    (b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", b"404 Not Found: no route matches: /none\n"),
    (b"GET /api%2Fx HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n",
     b'{"status": 400, "error": "bad request: the path has an encoded slash, %2F"}\n'),
    (b"GET /api HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
     b"417 Expectation Failed: Expect is 'x'; only 100-continue can be met\n"),
])  # fmt: skip
def test_a_page_says_once_what_is_wrong_and_nothing_of_the_configuration(
    request_: bytes, page: bytes
) -> None:
    @conversation
    async def talk() -> None:
        async with serving(FakeBackend()) as proxy:
            client = await proxy.connect()
            await client.say(request_)
            answer = await client.response()
            assert answer.partition(b"\r\n\r\n")[2].replace(b'"x"', b"'x'") == page

    talk()


@pytest.mark.parametrize("head", [
    b"HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /api%2Fx HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /api HTTP/1.1\r\n\r\n",
    b"HEAD /api HTTP/3.0\r\nHost: a\r\n\r\n",
    b"\r\nHEAD /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /api HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"HEAD /api HTTP/1.1\r\nHost: a\r\nX: " + 40_000 * b"x",
])  # fmt: skip
def test_no_error_in_answer_to_head_has_a_body(head: bytes) -> None:
    @conversation
    async def talk() -> None:
        async with serving(FakeBackend()) as proxy:
            client = await proxy.connect()
            await client.say(head)
            answer = await client.head()
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505 "))
            assert b"\r\nContent-Length: " in answer
            client.writer.write_eof()
            assert await client.until_close() == b""

    talk()


@conversation
async def test_what_comes_too_slowly_is_refused_without_a_body_where_it_begins_as_head() -> None:
    async with serving(FakeBackend()) as proxy:
        client = await proxy.connect()
        await client.say(b"HEAD /api HTT")
        connection = await proxy.connection()
        await until(lambda: connection.read_ahead)
        proxy.overdue(11)
        answer = await client.until_close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b"\r\n\r\n")
