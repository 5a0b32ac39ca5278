"""How workers are kept alive; what they do as processes is in `test_process`."""

from __future__ import annotations

from l7proxy.server.workers import Backoff


def test_who_ends_soon_in_a_row_is_replaced_later_and_later() -> None:
    backoff = Backoff()
    waits = [backoff.after(0.1) for _ in range(8)]
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30]
    assert [backoff.after(3600.0), backoff.after(0.1)] == [0, 1]


def test_who_fails_for_ever_is_tried_for_ever() -> None:
    backoff = Backoff()
    assert {backoff.after(0.0) for _ in range(5000)} == {0, 1, 2, 4, 8, 16, 30}
