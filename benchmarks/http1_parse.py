"""Nanoseconds to parse one request head, beside httptools (llhttp) and h11, in one run.

    python benchmarks/http1_parse.py [--seconds 0.3] [--quick]

`cold`: never seen before. `seen`: the very bytes seen before. httptools and h11 are driven as a
server would: their headers are collected. Ratios are to httptools in the same run. Peers that are
not installed are left out.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import sys
import time
from collections.abc import Callable, Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from l7proxy.http1 import RequestParser, ResponseParser

BARE = b"GET /api/users HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
BROWSER = (
    b"GET /api/users?page=2 HTTP/1.1\r\n"
    b"Host: shop.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://shop.example.com/catalogue/shoes?page=1\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=6f1c2a9be2b94c0f8d7c5e4b3a291807; theme=dark; consent=all\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Priority: u=0, i\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: backend/1.0\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 27\r\nConnection: keep-alive\r\n"
    b"Cache-Control: no-store\r\n\r\n"
)


Parse = Callable[[bytes], object]


def best(function: Parse, argument_lists: Iterator[list[bytes]], seconds: float) -> float:
    """The best of several passes, in ns per call; each pass has its own arguments, made before."""
    results: list[float] = []
    deadline = time.perf_counter() + seconds
    while not results or time.perf_counter() < deadline:
        arguments = next(argument_lists)
        begun = time.perf_counter_ns()
        for argument in arguments:
            function(argument)
        results.append((time.perf_counter_ns() - begun) / len(arguments))
    return min(results)


def same(head: bytes, count: int = 2000) -> Iterator[list[bytes]]:
    """The same bytes each time, as new objects: a socket never returns the same object."""
    while True:
        yield [bytes(bytearray(head)) for _ in range(count)]


def varied(head: bytes, at: bytes, count: int = 2000) -> Iterator[list[bytes]]:
    """Each head once only: a number is put in front of the first `at`."""
    numbers = itertools.count()
    while True:
        yield [head.replace(at, b"%d%b" % (n, at), 1) for n in itertools.islice(numbers, count)]


def httptools_parser(response: bool) -> Parse:
    import httptools

    class Collector:
        def on_message_begin(self) -> None:
            self.headers: list[tuple[bytes, bytes]] = []

        def on_url(self, url: bytes) -> None:
            self.url = url

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.append((name.lower(), value))

    parser_type = httptools.HttpResponseParser if response else httptools.HttpRequestParser

    def parse(data: bytes) -> None:
        parser_type(Collector()).feed_data(data)

    return parse


def h11_parser(response: bool) -> Parse:
    import h11

    def parse(data: bytes) -> None:
        connection = h11.Connection(h11.CLIENT if response else h11.SERVER)
        if response:
            connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        connection.receive_data(data)
        connection.next_event()

    return parse


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="per figure")
    parser.add_argument(
        "--quick", action="store_true", help="does it run? its figures mean nothing"
    )
    options = parser.parse_args()
    seconds = 0.0 if options.quick else options.seconds

    print(f"{'head':<10}{'parser':<26}{'ns':>8}{'to httptools':>14}")
    for name, head, response, unique in (
        ("bare", BARE, False, b"127.0"),
        ("browser", BROWSER, False, b"shop."),
        ("response", RESPONSE, True, b"backend"),
    ):
        figures = {}
        peers = (("httptools", httptools_parser), ("h11", h11_parser))
        for peer, make in peers:
            try:
                figures[peer] = best(make(response), same(head), seconds)
            except ImportError:
                continue
        kind = ResponseParser if response else RequestParser
        figures["l7proxy, no memory"] = best(kind(remember=0).parse, same(head), seconds)
        figures["l7proxy, cold"] = best(kind().parse, varied(head, unique), seconds)
        figures["l7proxy, seen"] = best(kind().parse, same(head), seconds)
        base = figures.get("httptools")
        for label, ns in figures.items():
            ratio = f"{ns / base:.2f}" if base else "-"
            print(f"{name:<10}{label:<26}{ns:>8.0f}{ratio:>14}")


if __name__ == "__main__":
    main()
