"""The times in logs."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.tools.formats.times import any_time, common_log_time


@pytest.mark.parametrize(("text", "seconds"), [
    ("10/Oct/2000:13:55:36 -0700", 971211336.0),
    ("10/Oct/2000:20:55:36 +0000", 971211336.0),
    ("10/Oct/2000:20:55:36.5", 971211336.5),
])  # fmt: skip
def test_times_of_access_logs(text: str, seconds: float) -> None:
    assert common_log_time(text) == seconds
    assert any_time(text) == seconds


@pytest.mark.parametrize("value", [1700000000.25, "1700000000.25", 1700000000250,
    1700000000250000, 1700000000250000000, "2023-11-14T22:13:20.25+00:00",
    "2023-11-14T22:13:20.250"])  # fmt: skip
def test_times_of_json_logs(value: Any) -> None:
    assert any_time(value) == 1700000000.25
