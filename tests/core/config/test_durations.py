"""Durations have a largest value, so that no clock and no poll overflows."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.config import ConfigError, config_from
from l7proxy.core.config.spec import LONGEST


def pool(**members: Any) -> dict[str, Any]:
    return {"backend_pools": {"p": {"backends": ["a:1"], **members}}}


def test_a_duration_of_ten_years_is_taken_and_a_longer_one_is_not() -> None:
    assert config_from(pool(timeouts={"request": LONGEST})).backend_pools
    for longer in (LONGEST + 1, 1e10, 1e300, 10**400):
        with pytest.raises(ConfigError) as caught:
            config_from(pool(timeouts={"request": longer}))
        assert str(caught.value) == (
            f"/backend_pools/p/timeouts/request: must be at most 315360000, not {longer}"
        )


def test_points_in_virtual_time_may_be_counted_from_any_year() -> None:
    fault = {"fault": "reset", "from": 1.7e9, "to": 1e15}
    assert config_from(pool(simulate={"faults": [fault]})).backend_pools
