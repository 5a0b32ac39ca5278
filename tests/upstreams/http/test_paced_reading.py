"""When more is read of a body, seen from what its transport is told."""

from __future__ import annotations

from l7proxy.upstreams.http.fair_queue import LARGE_READ, FairQueue
from l7proxy.upstreams.http.paced_reading import TURN, PacedReading

from .turns import Loop


class Connection(Loop):
    """A loop, a transport and a protocol in one."""

    def __init__(self) -> None:
        super().__init__()
        self._reads = True
        self.closing = False
        self.heard: list[bytes] = []
        self.pace = PacedReading(self, FairQueue(self), self.heard.append)  # type: ignore[arg-type]

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    def is_reading(self) -> bool:
        return self._reads

    def is_closing(self) -> bool:
        return self.closing


def test_what_is_left_of_a_read_is_read_in_its_turn_before_more_is() -> None:
    connection = Connection()
    connection.pace.wait(b"rest")
    assert not connection.is_reading() and connection.heard == []
    connection.turn()
    assert connection.is_reading() and connection.heard == [b"rest"]


def test_behind_a_megabyte_of_large_reads_others_have_a_turn() -> None:
    connection = Connection()
    for _ in range(2):
        for _ in range(TURN // LARGE_READ):
            assert connection.is_reading()
            connection.pace.came(LARGE_READ)
        assert not connection.is_reading()
        connection.turn()
    assert connection.is_reading() and connection.heard == []


def test_a_turn_that_comes_while_the_receiver_can_not_keep_up_is_had_later() -> None:
    connection = Connection()
    connection.pace.wait(b"rest")
    connection.pace.hold()
    connection.turn()
    assert not connection.is_reading() and connection.heard == []
    connection.pace.release()
    assert not connection.is_reading()
    connection.turn()
    assert connection.is_reading() and connection.heard == [b"rest"]
    connection.pace.hold()
    connection.pace.release()
    assert connection.is_reading()


def test_nothing_is_read_of_a_connection_that_is_over() -> None:
    connection = Connection()
    connection.pace.wait(b"rest")
    connection.pace.forget()
    connection.turn()
    assert connection.heard == []
    connection.pace.wait(b"")
    connection.closing = True
    connection.turn()
    assert not connection.is_reading()


def test_what_is_left_when_no_more_will_come_is_read_at_once() -> None:
    connection = Connection()
    connection.pace.wait(b"rest")
    connection.pace.finish()
    connection.closing = True
    connection.pace.wait(b"more")
    connection.pace.finish()
    connection.turn()
    assert connection.heard == [b"rest", b"more"]
