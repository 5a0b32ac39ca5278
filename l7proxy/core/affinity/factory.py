"""The affinity that a pool's configuration asks for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random

    from l7proxy.core.affinity.base import Affinity, Secrets
    from l7proxy.core.config.affinity import StickyConfig
    from l7proxy.core.pool.pool import Pool


def affinity_for(
    pool: Pool, config: StickyConfig, random: Random, secrets: Secrets | None
) -> Affinity:
    """Returns the affinity that a pool's configuration asks for.

    Raises `BadKey` where it needs a key and does not get a good one.
    """
    if config.learn is not None:
        from l7proxy.core.affinity.learn import Learned

        return Learned(config.learn, pool.by_name, random)
    from l7proxy.core.affinity.cookie import SealedCookie, read_key

    assert config.cookie is not None
    return SealedCookie(config.cookie, pool.name, pool.by_name, read_key(config.cookie, secrets))
