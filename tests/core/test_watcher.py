"""A watcher that cares for nothing still has an answer to everything."""

from __future__ import annotations

from random import Random

from l7proxy.core import Proxy, config_from
from l7proxy.core.watcher import Watcher


def test_a_watcher_may_ignore_whatever_it_hears() -> None:
    pool = Proxy(config_from({"backends": ["a:1"]}), Random(0)).pools["default"]
    backend, watcher = pool.backends[0], Watcher()
    watcher.removed(backend)
    assert watcher.snapshot(backend) == {}


def test_a_backend_says_who_and_where_it_is() -> None:
    pool = Proxy(config_from({"backends": ["http://a:81"]}), Random(0)).pools["default"]
    assert repr(pool.backends[0]) == "Backend(a)"
    assert pool.backends[0].host_and_port == ("a", 81)
