"""The selectors: one small class per balancing algorithm, found by name.

A selector picks among the eligible backends of one pool. It knows nothing of health: its pool
tells it who joins, who leaves and whose load changes, so that picking need not look at everyone.
"""

from l7proxy.core.config.algorithms import UnknownSelector
from l7proxy.core.selectors.base import Selector
from l7proxy.core.selectors.registry import find_selector

__all__ = ["Selector", "UnknownSelector", "find_selector"]
