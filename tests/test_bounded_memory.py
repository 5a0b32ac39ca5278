"""What is remembered of texts that others choose is bounded in bytes, not in entries alone."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from l7proxy.core import Headers, HttpRequest, config_from
from l7proxy.core.http.addresses import client_address
from l7proxy.core.http.grammar import host_in
from l7proxy.core.http.head import is_well_formed
from l7proxy.core.http.target import parse_target
from l7proxy.core.policies.rate_limit import Buckets
from l7proxy.core.routing import Router
from l7proxy.http1 import BadRequest, RequestParser
from l7proxy.tools.formats.line import BadLine, field
from l7proxy.tools.formats.times import any_time

MANY = 100
LARGE = 100_000
BOUND = LARGE * 8
"""Bytes that may be held after so many texts: less than a tenth of them."""

_ROUTER = Router(
    config_from(
        {
            "backend_pools": {"p": {"backends": ["a"]}},
            "routes": [
                {"query": {"a": "b"}, "backend_pool": "p"},
                {"host": "*.example.com", "backend_pool": "p"},
            ],
        }
    ).effective_routes
)
_PARSER = RequestParser()
_BUCKETS = Buckets(1, 1, 1000)


def ask_query(text: str) -> None:
    request = HttpRequest("GET", f"/?{text}=1")
    _ROUTER.match(request, parse_target(request))


def ask_host(text: str) -> None:
    request = HttpRequest("GET", "/", Headers([("Host", text)]))
    _ROUTER.match(request, parse_target(request))


def parse_head(text: str) -> None:
    for _ in range(3):
        try:
            _PARSER.parse(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % text.encode())
        except BadRequest:
            return


def read_time(text: str) -> None:
    with pytest.raises(BadLine):
        any_time(f"10/Oct/2000:20:55:3{text}")
    any_time(f"10/Oct/2000:20:55:36 +0000{text}"[:60])


REMEMBERED: dict[str, Callable[[str], object]] = {
    "values of a query": ask_query,
    "tables of a host": ask_host,
    "hosts": host_in,
    "addresses of clients": client_address,
    "addresses with a zone": lambda text: client_address(f"fe80::1%{text}"),
    "names of fields": lambda text: is_well_formed({text: "x", "Host": "a"}),
    "many names of fields": lambda text: is_well_formed(
        {f"{text[:4]}{number}": "" for number in range(LARGE // 100)}
    ),
    "heads": parse_head,
    "fields of logs": lambda text: field("Referer", text),
    "times of logs": read_time,
    "keys of limits": lambda text: _BUCKETS.wait(text, 0),
}


@pytest.mark.parametrize("name", REMEMBERED)
def test_long_texts_are_not_kept(name: str) -> None:
    see = REMEMBERED[name]
    see("before")
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(MANY):
            see(f"{number:04}" * (LARGE // 4))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < BOUND
