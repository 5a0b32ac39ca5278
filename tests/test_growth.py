"""Twice as much of any hostile input takes about twice as many steps: counted, not timed.

A step is a line that is run, a call, or a byte of the text whose method is called: `find` in a long
text costs as much as the text is long. `benchmarks/growth.py` measures the same table in time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.growth import MOST, SHAPES
from tests.builds import needs_pure

SMALLER = 10
LEAST = 4
TEXTS = (str,)


def steps(run: Callable[[], object]) -> int:
    """The steps that it takes."""
    count = 0

    def line(frame: object, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return line

    def call(frame: object, event: str, called: Any) -> None:
        nonlocal count
        if event == "c_call":
            text = getattr(called, "__self__", None)
            count += len(text) if isinstance(text, TEXTS) else 1

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(line)
    sys.setprofile(call)
    try:
        run()
    finally:
        sys.setprofile(before[1])
        sys.settrace(before[0])
    return count


@needs_pure
@pytest.mark.parametrize("name", SHAPES)
def test_twice_the_input_takes_twice_the_steps(name: str) -> None:
    size = max(SHAPES[name].size // SMALLER, LEAST)
    small, large = (SHAPES[name].make(times * size) for times in (2, 4))
    # What is done once in a process is not counted.
    small()
    assert steps(large) <= MOST * steps(small)


def test_the_square_is_found_in_lines_and_in_texts() -> None:
    def lines(size: int) -> Callable[[], object]:
        return lambda: [other for one in range(size) for other in range(one)]

    def texts(size: int) -> Callable[[], object]:
        text = "/x" * size
        return lambda: [text.rfind("/", 0, end) for end in range(size)]

    for make in (lines, texts):
        assert steps(make(2000)) > 3 * steps(make(1000))
