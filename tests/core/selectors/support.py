"""Pools to pick from, without requests, and the definitions to compare with."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from l7proxy.core.config import config_from
from l7proxy.core.flags import MAINTENANCE
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.pool import Pool
from l7proxy.core.proxy import Proxy

NAMES = "abcdefghijklmnopqrstuvwxyz"


def pool_of(algorithm: str, *weights: float, **settings: Any) -> Pool:
    """A pool of backends a, b, c ... of these weights, fractions as slow starts have them."""
    backends = [{"address": f"{name}:80"} for name, _ in zip(NAMES, weights, strict=False)]
    config = config_from({"backends": backends, "algorithm": algorithm, **settings})
    pool = Proxy(config, Random(0)).pools["default"]
    for backend, weight in zip(pool.backends, weights, strict=True):
        pool.weigh(backend, weight)
    return pool


def picks(pool: Pool, count: int, avoid: str = "") -> str:
    """The names of the next picks; nothing stays in flight. `-` where there is none to pick."""
    avoided = tuple(pool.by_name[name] for name in avoid)
    picked = (pool.selector.pick(None, avoided) for _ in range(count))
    return "".join("-" if backend is None else backend.name for backend in picked)


def held_picks(pool: Pool, count: int) -> str:
    """The names of the next picks, each of which stays in flight."""
    names = ""
    for _ in range(count):
        backend = pool.selector.pick()
        assert backend is not None
        pool.acquire(backend, 0.0)
        names += backend.name
    return names


def take_out(pool: Pool, name: str) -> None:
    pool.set_flag(pool.by_name[name], MAINTENANCE, 0.0)


def bring_back(pool: Pool, name: str) -> None:
    pool.clear_flag(pool.by_name[name], MAINTENANCE, 0.0)


class NaiveRotation:
    """nginx's smooth weighted round robin, word for word as it is defined."""

    def __init__(self) -> None:
        self.current: dict[Backend, float] = {}

    def step(self, members: list[Backend]) -> Backend | None:
        """Every current weight grows by its weight; the largest is picked and loses the sum."""
        if not members:
            return None
        for member in members:
            self.current[member] = self.current.get(member, 0) + member.weight
        best = max(members, key=lambda member: (self.current[member], -member.index))
        self.current[best] -= sum(member.weight for member in members)
        return best


class NaiveLeastConnections(NaiveRotation):
    """nginx's least_conn: the least in-flight/weight, ties by a rotation of the tied alone."""

    def step(self, members: list[Backend]) -> Backend | None:
        if not members:
            return None
        loads = {member: load_of(member) for member in members}
        least = min(loads.values())
        return super().step([member for member in members if loads[member] == least])


def load_of(backend: Backend) -> Fraction:
    return backend.in_flight / Fraction(backend.weight)
