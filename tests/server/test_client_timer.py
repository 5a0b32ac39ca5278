"""How long a client may take, by what it is to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from l7proxy.core.config import config_from
from l7proxy.server.client_timer import (
    BODY,
    HEAD,
    LINGER,
    NEVER,
    NOTHING,
    READ,
    REQUEST,
    TUNNEL,
    ClientTimer,
    Turn,
)

if TYPE_CHECKING:
    import asyncio

TIMEOUTS = config_from(
    {
        "backend_pools": {"api": {"backends": ["a:1"]}},
        "server": {
            "timeouts": {"idle": 1, "head": 20, "body": 300, "write": 60, "tunnel": 5000},
        },
    }
).server.timeouts


class Unread:
    """A transport that so many bytes are still in."""

    def __init__(self) -> None:
        self.left = 100

    def get_write_buffer_size(self) -> int:
        return self.left

    def get_extra_info(self, name: str) -> None:
        """There is no socket behind it."""


class Timed:
    """A timer on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 10.0
        self.transport = Unread()
        transport = cast("asyncio.Transport", self.transport)
        self.timer = ClientTimer(transport, lambda: self.now, TIMEOUTS)

    def goes_on_reading_at(self, now: float) -> bool:
        self.now = now
        return self.timer.go_on_reading()


@pytest.mark.parametrize(
    ("turn", "deadline"),
    [(REQUEST, 11), (HEAD, 30), (BODY, 310), (TUNNEL, 5010), (READ, 10 + LINGER), (NOTHING, NEVER)],
)
def test_the_deadline_is_by_what_the_client_is_to_do(turn: Turn, deadline: float) -> None:
    timed = Timed()
    timed.timer.start(turn)
    assert timed.timer.deadline == deadline
    timed.timer.start(turn, 0.0)
    assert timed.timer.deadline == deadline - 10
    timed.timer.stop()
    assert timed.timer.deadline == NEVER


def test_a_client_that_reads_a_little_now_and_then_is_not_given_up() -> None:
    timed = Timed()
    timed.timer.start(READ)
    for now in (60.0, 119.0, 178.0):
        timed.transport.left -= 1
        assert timed.goes_on_reading_at(now)
        assert timed.timer.deadline == now + LINGER
        assert timed.goes_on_reading_at(now + 58)
    assert not timed.goes_on_reading_at(178.0 + 60)


def test_a_client_that_reads_nothing_is_given_up() -> None:
    timed = Timed()
    timed.timer.start(READ)
    assert timed.goes_on_reading_at(69.0)
    assert not timed.goes_on_reading_at(70.0)


def test_a_client_that_has_read_everything_has_little_time_to_close() -> None:
    timed = Timed()
    timed.timer.start(READ)
    timed.transport.left = 0
    assert timed.goes_on_reading_at(12.0)
    assert not timed.goes_on_reading_at(14.0)
