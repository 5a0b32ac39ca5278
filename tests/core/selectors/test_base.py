"""What a selector has from its base, with nothing but a `pick` of its own."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from l7proxy.core import ConfigError, Selector
from tests.core.selectors.support import pool_of


def test_a_selector_that_defines_only_pick_picks_by_it() -> None:
    class Last(Selector):
        def pick(self, request: Any = None, avoid: Any = ()) -> Any:
            return self.eligible[-1]

    pool = pool_of("round-robin", 1, 1)
    last = Last(pool.backends, {}, Random(0))
    assert last.pick() is pool.backends[-1]
    with pytest.raises(ConfigError):
        Last(pool.backends, {"speed": 9}, Random(0))
