"""`bounded-load`: who counts in the average."""

from __future__ import annotations

from l7proxy.core import HttpRequest
from tests.core.selectors.support import pool_of


def test_bounded_load_counts_only_who_may_be_picked() -> None:
    pool = pool_of("bounded-load", 1, 1)
    backend = pool.backends[0]
    pool.acquire(backend, 0.0)
    pool.set_state(backend, "drain", 0.0)
    pool.acquire(backend, 0.0)
    pool.release(backend, 0.0)
    pool.release(backend, 0.0)
    assert pool.selector.pick(HttpRequest("GET", "/")) is pool.backends[1]
