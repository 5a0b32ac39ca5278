"""`ring-hash`: the points of addresses."""

from __future__ import annotations

from l7proxy.core.selectors.ring_hash import chain_of_points


def test_a_unix_socket_has_its_points_on_the_ring() -> None:
    assert chain_of_points("unix:/run/a.sock", 3) != chain_of_points("unix:/run/b.sock", 3)
    assert chain_of_points("a", 3) != chain_of_points("a:80", 3)
