"""The options of the algorithms that are built in."""

from __future__ import annotations

import pytest

from l7proxy.core import ConfigError, config_from


def test_a_maglev_table_of_no_prime_size_is_refused() -> None:
    pool = {"backends": ["a:1"], "algorithm": "maglev"}
    with pytest.raises(ConfigError, match="prime"):
        config_from(pool | {"options": {"table_size": 10}})
    config = config_from(pool | {"options": {"table_size": 11}})
    assert config.backend_pools["default"].options == {"table_size": 11}
