"""Does what comes in cost as much as it is long, whatever its shape?

    python3 benchmarks/growth.py [--only WORD] [--quick]

Every shape of `SHAPES` is input that is meant to be slow: made for a size, and for twice that size,
in turns. Prints the processor time of the smaller one and how many times that the larger one takes,
which is two where time is linear, and WRONG where it is more than MOST; exits with 1 then. With
`--quick` inputs are small, and only what grows by the square is found.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from time import process_time
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import conditions, table
from l7proxy.core.callbacks import ignore
from l7proxy.core.config import config_from
from l7proxy.http1 import (
    BadMessage,
    ChunkedBody,
    Limits,
    RequestParser,
    ResponseParser,
)
from l7proxy.node import Node

MOST = 2.3
ROUNDS = 5
QUICK = (20, 8, 3.0)
"""With `--quick`: by how much inputs are smaller, how many times larger the large one is, and how
many times that it may cost. The square would be eight times that."""

Run = Callable[[], object]


class Shape(NamedTuple):
    """One shape of input: the size that is measured, and what makes it ready to run for a size."""

    size: int
    make: Callable[[int], Run]


SHAPES: dict[str, Shape] = {}


def shape(name: str, size: int) -> Callable[[Callable[[int], Run]], Callable[[int], Run]]:
    """Adds a shape to the table."""

    def add(make: Callable[[int], Run]) -> Callable[[int], Run]:
        SHAPES[name] = Shape(size, make)
        return make

    return add


# Messages.

TWO_HOSTS = {
    "backend_pools": {"api": {"backends": ["a:80", "b:80"]}},
    "routes": [
        {"host": "*.example.com", "path_pattern": "/api/*", "backend_pool": "api"},
        {"host": "example.org", "path_pattern": "/v*", "backend_pool": "api"},
        {"path_pattern": "/api/*", "backend_pool": "api", "query": {"a": "1"}},
    ],
}


def message(**body: Any) -> bytes:
    """A line with a message, by default a request."""
    return json.dumps({"src": "c", "body": {"type": "http_request", **body}}).encode() + b"\n"


def feed(data: bytes, config: Any = None, piece: int = 65536, limit: int = 1 << 24) -> Run:
    """Feeds a new node, and ends its input."""
    made = config_from(config or TWO_HOSTS)

    def run() -> object:
        node = Node(made, Random(1), ignore, limit=limit)
        out = [node.feed(data[at : at + piece], 0) for at in range(0, len(data), piece)]
        return [*out, node.finish(0)]

    return run


def pool(count: int, **more: Any) -> dict[str, Any]:
    """A configuration of one pool with so many backends."""
    return {"backends": [f"b{number}:80" for number in range(count)], **more}


def init(**members: Any) -> bytes:
    """A line with a configuration."""
    return message(type="init", **members)


def about(kind: str, numbers: Iterator[int] | range, **more: Any) -> bytes:
    """Lines with a message of that type about each of the backends of `pool`."""
    names = (f"b{number}" for number in numbers)
    return b"".join(message(type=kind, pool="default", backend=name, **more) for name in names)


@shape("404 for a path of /x", 200_000)
def _(n: int) -> Run:
    return feed(message(path="/x" * n))


@shape("404 for a path of é", 20_000)
def _(n: int) -> Run:
    return feed(message(path="/é" * n))


@shape("a path of dots", 50_000)
def _(n: int) -> Run:
    return feed(message(path="/x/.." * n))


@shape("a path of escapes", 50_000)
def _(n: int) -> Run:
    return feed(message(path="/" + "%41" * n))


@shape("a Host beside a wildcard", 200_000)
def _(n: int) -> Run:
    return feed(message(path="/x", headers={"Host": "a." * n}))


@shape("a Host of dots", 400_000)
def _(n: int) -> Run:
    return feed(message(path="/x", headers={"Host": "." * n + "a"}))


@shape("a path where simulated answers go by it", 200_000)
def _(n: int) -> Run:
    paths = {"/a": {"status": 201}, "/x/x/x": {"status": 202}}
    return feed(message(path="/x" * n), pool(1, simulate={"paths": paths}))


@shape("a query of parameters", 20_000)
def _(n: int) -> Run:
    return feed(message(path="/api/x?" + "b=%41&" * n))


@shape("header fields", 20_000)
def _(n: int) -> Run:
    return feed(message(path="/api", headers={f"h{number}": "v" for number in range(n)}))


@shape("lines of Host", 20_000)
def _(n: int) -> Run:
    return feed(message(path="/api", headers={"Host": ["a"] * n}))


@shape("cookies", 20_000)
def _(n: int) -> Run:
    sticky: dict[str, Any] = {"learn": {}}
    return feed(message(path="/", headers={"Cookie": "a=b; " * n}), pool(1, sticky=sticky))


@shape("a key written again and again", 20_000)
def _(n: int) -> Run:
    return feed(
        b'{"src": "c", "body": {"type": "http_request", %s}}\n' % b",".join([b'"a": 1'] * n)
    )


@shape("a body of control characters", 200_000)
def _(n: int) -> Run:
    return feed(message(path="/api", body="\0" * n))


@shape("a type that nobody knows", 400_000)
def _(n: int) -> Run:
    return feed(message(type="x" * n))


# Framing.


@shape("blanks without a line end", 4_000_000)
def _(n: int) -> Run:
    return feed(b" " * n)


@shape("blanks in small reads", 50_000)
def _(n: int) -> Run:
    return feed(b" " * n, piece=16)


@shape("blanks beyond the largest message", 4_000_000)
def _(n: int) -> Run:
    return feed(b" " * n, limit=1000)


@shape("blank lines", 100_000)
def _(n: int) -> Run:
    return feed(b" \r\n\n" * n)


@shape("garbage without a line end", 4_000_000)
def _(n: int) -> Run:
    return feed(b"x" * n)


@shape("small reads behind garbage", 50_000)
def _(n: int) -> Run:
    return feed(b"x" * 65536 * (n // 5000) + b"y" * n, piece=64)


@shape("a string without an end", 4_000_000)
def _(n: int) -> Run:
    return feed(b'{"a": "' + b"x" * n)


@shape("messages behind what is open", 4_000)
def _(n: int) -> Run:
    return feed(b'{"a": [\n' + b"1,\n" * n + message(path="/api") * (n // 10))


@shape("198 objects inside each other", 500_000)
def _(n: int) -> Run:
    return feed(b'\n{"a":' * 198 + b'"' + b"x" * n + b'"' + b"}" * 198)


@shape("198 objects, and a fault in the innermost", 500_000)
def _(n: int) -> Run:
    return feed(b'\n{"src":1,"body":' * 198 + b'"' + b"x" * n + b'",,' + b"}" * 198)


@shape("objects in an array", 20_000)
def _(n: int) -> Run:
    return feed(b'{"a": [' + b'\n{"b": 1},' * n + b"]}")


@shape("lines of {", 20_000)
def _(n: int) -> Run:
    return feed(b"{\n" * n)


@shape("a message in single bytes", 20_000)
def _(n: int) -> Run:
    return feed(message(path="/" + "x" * n), piece=1)


@shape("messages on one line", 2_000)
def _(n: int) -> Run:
    return feed(message(path="/api")[:-1] * n)


@shape("messages over many lines", 2_000)
def _(n: int) -> Run:
    return feed(json.dumps(json.loads(message(path="/api")), indent=1).encode() * n)


# Configurations, and messages about pools.


@shape("init with backends", 2_000)
def _(n: int) -> Run:
    return feed(init(**pool(n)))


@shape("init with backends that are down at first", 2_000)
def _(n: int) -> Run:
    return feed(init(**pool(n, health={"initially_up": False})) + message(path="/"))


@shape("init with backends of weights", 2_000)
def _(n: int) -> Run:
    backends = [{"address": f"b{number}", "weight": number % 999 + 1} for number in range(n)]
    return feed(init(backends=backends) + message(path="/") * 10)


@shape("init with pools and routes", 500)
def _(n: int) -> Run:
    pools = {f"p{number}": {"backends": ["a"]} for number in range(n)}
    routes = [{"path": f"/{number}", "backend_pool": f"p{number}"} for number in range(n)]
    return feed(init(backend_pools=pools, routes=routes))


@shape("init with misspelt references", 1_000)
def _(n: int) -> Run:
    pools = {f"pool{number}": {"backends": ["a"]} for number in range(n)}
    routes = [{"path": f"/{number}", "backend_pool": f"pol{number}"} for number in range(n)]
    return feed(init(backend_pools=pools, routes=routes))


@shape("init with a long reference", 20_000)
def _(n: int) -> Run:
    pools = {"xy" * n + "a": {"backends": ["a"]}}
    return feed(init(backend_pools=pools, routes=[{"path": "/", "backend_pool": "xy" * n}]))


@shape("init with unknown keys", 500)
def _(n: int) -> Run:
    return feed(init(**pool(1), **{f"backends{number}": 1 for number in range(n)}))


@shape("add_backend", 500)
def _(n: int) -> Run:
    backends = (message(type="add_backend", pool="default", backend=f"x{i}") for i in range(n))
    return feed(b"".join(backends), pool(1))


@shape("add_backend to a ring", 500)
def _(n: int) -> Run:
    backends = (message(type="add_backend", pool="default", backend=f"x{i}") for i in range(n))
    return feed(b"".join(backends), pool(1, algorithm="ring-hash"))


@shape("remove_backend", 500)
def _(n: int) -> Run:
    return feed(about("remove_backend", range(1, n)), pool(n))


@shape("backends drained one after the other", 500)
def _(n: int) -> Run:
    return feed(about("backend", range(1, n), set={"state": "drain"}), pool(n))


@shape("weights set one after the other", 500)
def _(n: int) -> Run:
    more = {"algorithm": "bounded-load", "options": {"points": 1}}
    return feed(about("backend", range(n), set={"weight": 7}), pool(n, **more))


@shape("tiers drained one after the other", 500)
def _(n: int) -> Run:
    backends = [{"address": f"b{number}", "tier": number % 1000} for number in range(n)]
    return feed(about("backend", range(n), set={"state": "drain"}), {"backends": backends})


@shape("messages about backends that nobody knows", 100)
def _(n: int) -> Run:
    return feed(about("backend", range(1000, 1000 + n), set={"state": "up"}), pool(1000))


@shape("requests that wait for a place", 1_000)
def _(n: int) -> Run:
    backends = [{"address": "a", "max_connections": 1}]
    queue = {"size": 1_000_000, "timeout": 1_000_000}
    config = {"backends": backends, "queue": queue, "simulate": {"latency": 0.001}}
    data = b'{"src": "c", "at": 0, "body": {"type": "http_request", "path": "/"}}\n'
    return feed(data * n, config)


@shape("requests that hang, and others that don't", 1_000)
def _(n: int) -> Run:
    config = pool(3, timeouts={"attempt": None}, simulate={"latency": 1})
    slow = b'{"src": "c", "at": 0, "body": {"type": "http_request", "path": "/"}}\n'
    hang = message(path="/", simulate={"faults": [{"fault": "hang"}]})
    return feed((slow + hang) * n, config)


@shape("years between messages", 20)
def _(n: int) -> Run:
    at = range(0, n << 25, 1 << 25)
    status = b"".join(b'{"src": "c", "at": %d, "body": {"type": "status"}}\n' % a for a in at)
    return feed(status, pool(3, health={}))


# HTTP/1.1.

WIDE = Limits(line=1 << 23, head=1 << 24, fields=1 << 24)


def parse(make: Callable[[Limits], Any], data: bytes, piece: int = 65536) -> Run:
    """Parses a head that comes in pieces, as a connection does."""

    def run() -> object:
        parser, buffer, scanned = make(WIDE), b"", 0
        for at in range(0, len(data), piece):
            buffer += data[at : at + piece]
            try:
                parsed = parser.parse(buffer, 0, scanned)
            except BadMessage as error:
                return error
            if parsed is not None:
                return parsed
            scanned = len(buffer)
        return None

    return run


@shape("a head of small fields", 5_000)
def _(n: int) -> Run:
    return parse(RequestParser, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * n + b"\r\n")


@shape("a field of blanks", 400_000)
def _(n: int) -> Run:
    return parse(RequestParser, b"GET / HTTP/1.1\r\nHost: a\r\nb:%sc\r\n\r\n" % (b" " * n))


@shape("a first line of blanks", 400_000)
def _(n: int) -> Run:
    return parse(RequestParser, b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % (b" " * n))


@shape("options of Connection", 5_000)
def _(n: int) -> Run:
    options = b",".join(b"x%d" % number for number in range(n))
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: %s\r\n\r\n" % options
    return parse(RequestParser, head)


@shape("a response of small fields", 5_000)
def _(n: int) -> Run:
    return parse(ResponseParser, b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * n + b"\r\n")


@shape("chunks of one byte", 20_000)
def _(n: int) -> Run:
    data = b"1\r\nx\r\n" * n + b"0\r\n\r\n"
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]

    def run() -> object:
        body = ChunkedBody()
        for piece in pieces:
            end = 0
            while end < len(piece):
                _, end = body.feed(piece, end)
        return body

    return run


def seconds(run: Run) -> float:
    """The processor time that it takes."""
    gc.collect()
    gc.disable()
    begun = process_time()
    run()
    used = process_time() - begun
    gc.enable()
    return used


def growth(one: Shape, size: int, times: int) -> tuple[float, float]:
    """The seconds for a size, and how many times that so many times the size takes: the least."""
    small, large = one.make(size), one.make(size * times)
    pairs = [(seconds(small), seconds(large)) for _ in range(ROUNDS)]
    least = min(pair[0] for pair in pairs)
    return least, min(pair[1] for pair in pairs) / max(least, 1e-6)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="WORD", help="shapes with this in their name")
    parser.add_argument("--quick", action="store_true", help="small inputs")
    options = parser.parse_args()
    smaller, times, more = QUICK if options.quick else (1, 2, MOST / 2)
    rows, wrong = [], False
    for name, one in SHAPES.items():
        if options.only in name:
            size = max(one.size // smaller, 10)
            least, ratio = growth(one, size, times)
            # What takes less than the clock can tell apart is not slow.
            is_wrong = ratio > times * more and least > 1e-4
            wrong = wrong or is_wrong
            shown = f"{ratio:.2f}{' WRONG' if is_wrong else ''}"
            rows.append((name, f"{size:,}", f"{least * 1e3:.2f}", shown))
    print(conditions())
    print(table(("shape", "size", "ms", f"{times} times the size"), rows))
    # Inputs that are small take times that say little: then it only shows that the script runs.
    return 1 if wrong and not options.quick else 0


if __name__ == "__main__":
    sys.exit(main())
