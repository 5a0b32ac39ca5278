"""`ip-hash`: nginx's arithmetic, and what is made of addresses that are none."""

from __future__ import annotations

import pytest

from l7proxy.core import HttpRequest
from l7proxy.core.selectors.ip_hash import network
from tests.core.selectors.support import bring_back, pool_of, take_out
from tests.node.conversation import Conversation


def home(pool: object, client: str) -> str:
    picked = pool.selector.pick(HttpRequest("GET", "/", client_ip=client))  # type: ignore[attr-defined]
    return "-" if picked is None else picked.name


@pytest.mark.parametrize(("client", "hashed"), [
    ("10.1.2.3", bytes([10, 1, 2])),
    ("::1", bytes(15) + b"\x01"),
    ("2001:db8::7", bytes.fromhex("20010db8000000000000000000000007")),
    ("10.1.2", b"10.1.2"),
    ("10.1.2.300", b"10.1.2.300"),
    ("10.1.2.x", b"10.1.2.x"),
    ("1.1.1." + "9" * 5000, b"1.1.1." + b"9" * 5000),
    ("c1", b"c1"),
    ("not:an:address", b"not:an:address"),
    ("", b""),
])  # fmt: skip
def test_what_of_an_address_is_hashed(client: str, hashed: bytes) -> None:
    assert network(client) == hashed


def test_clients_of_one_network_go_to_one_backend_and_networks_to_all() -> None:
    pool = pool_of("ip-hash", 1, 1, 1)
    assert len({home(pool, f"10.0.0.{n}") for n in range(50)}) == 1
    assert {home(pool, f"10.0.{n}.1") for n in range(50)} == set("abc")
    assert pool.selector.pick(None) is not None


def test_it_shares_out_networks_by_weight() -> None:
    for part in (1, 0.125):
        pool = pool_of("ip-hash", 1, 3)
        for backend in pool.backends:
            pool.weigh(backend, backend.weight * part)
        homes = [home(pool, f"10.{n >> 8}.{n & 255}.1") for n in range(4_000)]
        assert abs(homes.count("b") - 3_000) < 150


def test_nearly_all_clients_move_when_there_is_one_backend_more() -> None:
    clients = [f"10.{n >> 8}.{n & 255}.1" for n in range(2_000)]
    ten, eleven = (pool_of("ip-hash", *[1] * number) for number in (10, 11))
    moved = sum(home(ten, client) != home(eleven, client) for client in clients)
    assert 0.85 < moved / len(clients) < 0.95


def test_only_the_clients_of_who_is_out_move() -> None:
    pool = pool_of("ip-hash", 2, 1, 1)
    clients = [f"10.3.{n}.1" for n in range(200)]
    before = [home(pool, client) for client in clients]
    take_out(pool, "b")
    after = [home(pool, client) for client in clients]
    assert all(a == b for a, b in zip(after, before, strict=True) if b != "b")
    assert set(after) == {"a", "c"}
    bring_back(pool, "b")
    assert [home(pool, client) for client in clients] == before


def test_after_enough_places_in_vain_the_turn_decides() -> None:
    pool = pool_of("ip-hash", 65535, 1, 1)
    take_out(pool, "a")
    assert "".join(home(pool, "10.0.0.1") for _ in range(4)) == "bcbc"


def test_in_a_whole_proxy_every_request_of_a_client_goes_to_one_backend() -> None:
    # The pool's other requests must not take the place of those that ask to be hashed.
    node = Conversation({"backends": ["a:1", "b:1", "c:1"], "algorithm": "ip-hash"})
    for client in ("10.0.1.1", "10.0.2.1", "10.0.3.1"):
        assert len({node.get("/x", client_ip=client)["backend"] for _ in range(5)}) == 1
