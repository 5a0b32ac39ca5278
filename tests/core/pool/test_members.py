"""Who is eligible follows from flags, tiers and the panic threshold, whatever led there."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config.model import BackendConfig
from l7proxy.core.flags import ADMIN_FLAGS, FLAG_NAMES, FULL, HEALTH_FLAGS, REMOVED
from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.members import Members, TierCount
from l7proxy.core.selectors.first import First
from tests.builds import needs_pure

THRESHOLDS = st.sampled_from((0, 0.3, 0.5, 1))


def eligible_by_definition(members: Members, threshold: float) -> list[Backend]:
    enabled = [b for b in members.backends if not b.flags & ADMIN_FLAGS]
    healthy = [b for b in enabled if not b.flags & HEALTH_FLAGS]
    panic = len(healthy) < threshold * len(enabled)
    assert members.in_panic is panic
    usable = enabled if panic else healthy
    tier = min((b.tier for b in usable), default=0)
    return [b for b in usable if b.tier == tier and not b.flags & FULL]


@given(st.randoms(use_true_random=False), THRESHOLDS)
def test_who_is_eligible_is_as_by_definition_after_any_changes(
    random: Random, threshold: float
) -> None:
    tiers = random.choice(((0,), (0, 1), (0, 1, 2), (3, 7)))

    def config(number: int) -> BackendConfig:
        return BackendConfig(address=f"b{number}:80", tier=random.choice(tiers))

    count = random.randint(1, 6)
    members = Members([(f"b{n}", config(n)) for n in range(count)], threshold)
    selector = First(members.backends, {}, Random(1))
    members.selector, members.log = selector, lambda now, text: None
    for now in range(30):
        backend = random.choice(members.backends)
        way = random.randint(0, 9)
        if way == 0:
            count += 1
            members.consider(members.add(f"b{count}", config(count)), now)
        elif way == 1 and len(members.backends) > 1:
            members.set_flags(backend, backend.flags | REMOVED, now)
            members.forget(backend)
        elif way == 2:
            backend.flags ^= random.choice(tuple(FLAG_NAMES))
            members.survey(now)
        else:
            members.set_flags(backend, backend.flags ^ random.choice(tuple(FLAG_NAMES)), now)
        assert selector.eligible == eligible_by_definition(members, threshold)
        assert [b for b in members.backends if b.eligible] == selector.eligible


def test_the_lowest_tier_is_known_while_counts_come_and_go() -> None:
    count = TierCount()
    assert (count.total, count.lowest()) == (0, 0)
    for tier in (5, 3, 5):
        count.add(tier, 1)
    count.add(3, -1)
    count.add(3, 1)
    assert (count.total, count.lowest()) == (3, 3)
    count.add(3, -1)
    assert (count.total, count.lowest()) == (2, 5)


@needs_pure
def test_a_backend_more_or_heavier_is_asked_about_alone_or_among_all() -> None:
    class Picky(First):
        def check_weights(self, weights: Iterable[float]) -> None:
            asked.append(list(weights))

    asked: list[list[float]] = []
    configs = [BackendConfig(address=f"b{weight}", weight=weight) for weight in (1, 2, 3)]
    backends = [Backend(index, f"b{index}", config) for index, config in enumerate(configs)]
    backends[0].flags |= REMOVED
    selector = Picky(backends, {}, Random(1))
    selector.check_weight(9)
    selector.check_weight(9, instead_of=backends[1])
    assert asked == [[1, 2, 3], [2, 3, 9], [3, 9]]
