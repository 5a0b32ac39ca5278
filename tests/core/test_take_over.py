"""What a proxy with another configuration takes over from the one before it."""

from __future__ import annotations

from random import Random

from l7proxy.core import Proxy, config_from
from l7proxy.core.pool import Pool


def test_a_pool_goes_on_with_what_was_known_of_the_backends_that_stay() -> None:
    def pool_with(*addresses: str) -> Pool:
        config = {"backends": list(addresses)}
        return Proxy(config_from(config), Random(0)).pools["default"]

    before, after = pool_with("a:1", "b:1", "c:1"), pool_with("a:1", "b:2", "d:1")
    for backend in before.backends:
        backend.total, backend.failures = 7, 2
        before.set_state(backend, "drain", 0.0)
    after.take_over(before)
    assert [(b.name, b.total, b.failures, b.eligible) for b in after.backends] == [
        ("a", 7, 2, False), ("b", 0, 0, True), ("d", 0, 0, True),
    ]  # fmt: skip


def test_who_was_down_is_down_until_a_check_finds_it_up() -> None:
    def pool_with_checks() -> Pool:
        config = {"backend_pools": {"p": {"backends": ["a:1", "b:1"], "health": {"rise": 1}}}}
        return Proxy(config_from(config), Random(0)).pools["p"]

    before, after = pool_with_checks(), pool_with_checks()
    before.set_state(before.by_name["a"], "down", 0.0)
    after.take_over(before)
    after.start(0.0)
    assert [backend.eligible for backend in after.backends] == [False, True]
