"""Writes that wait for each other, and go out in the order in which they came about."""

from __future__ import annotations

from l7proxy.upstreams.http.write_batcher import ALONE, FEW, WriteBatcher

from .turns import Loop


def write_batcher() -> tuple[Loop, WriteBatcher, list[bytes]]:
    loop = Loop()
    return loop, WriteBatcher(loop), []  # type: ignore[arg-type]


def test_what_many_write_in_a_turn_goes_out_together_when_it_ends() -> None:
    loop, box, written = write_batcher()
    for turn in range(3):
        for number in range(FEW):
            box.put(written.append, b"%d" % number)
        assert len(written) == turn * FEW
        assert len(loop.soon) == 1
        loop.turn()
    assert written == [b"%d" % number for number in range(FEW)] * 3


def test_after_a_turn_with_few_writes_nothing_waits_until_it_is_tried_again() -> None:
    loop, box, written = write_batcher()
    box.put(written.append, b"a")
    loop.turn()
    for _ in range(ALONE):
        box.put(written.append, b"b")
    assert written == [b"a"] + [b"b"] * ALONE
    box.put(written.append, b"c")
    assert written[-1] == b"b"
    loop.turn()
    assert written[-1] == b"c"


def test_who_can_not_wait_has_all_that_came_before_written_first() -> None:
    loop, box, written = write_batcher()
    box.put(written.append, b"held")
    box.flush()
    written.append(b"past it")
    loop.turn()
    assert written == [b"held", b"past it"]


def test_a_connection_that_was_lost_meanwhile_costs_the_others_nothing() -> None:
    loop, box, written = write_batcher()

    def lost(data: bytes) -> None:
        raise RuntimeError("the handler is closed")

    box.put(lost, b"a")
    box.put(written.append, b"b")
    loop.turn()
    assert written == [b"b"]
