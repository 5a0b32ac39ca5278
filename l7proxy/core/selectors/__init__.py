"""The selectors: one small class per balancing algorithm, found by name.

A selector picks among the eligible backends of one pool. It knows nothing of health: its pool
tells it which backends join, leave and change, so that picking need not look at all of them.

- `base`: the class to derive from
- `registry`: from a name in the configuration to a class
- `smooth`, on `kinetic_tournament`: smooth weighted rotation, for `round_robin`,
  `least_connections` and `ip_hash`
- `lookup_table`: a table of slots, for `ring_hash`, `bounded_load` (a ring, too) and `maglev`
- `rendezvous`: scores
- `weighted_sampler`: random samples by weight, for `weighted_random` and `better_of_two`, on
  which `power_of_two` and `least_time` are built
- `first`: the first that is not full
- `hash_key`, `hashing`: the bytes that are hashed, and the hashes
"""

from l7proxy.core.config.algorithms import UnknownSelector
from l7proxy.core.selectors.base import Selector
from l7proxy.core.selectors.registry import find_selector, is_built_in, make_selector

__all__ = ["Selector", "UnknownSelector", "find_selector", "is_built_in", "make_selector"]
