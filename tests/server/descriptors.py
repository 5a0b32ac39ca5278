"""Too few descriptors, for a while."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


def lowest_free() -> int:
    """The number that the next descriptor gets."""
    lowest = os.dup(0)
    os.close(lowest)
    return lowest


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Sets the limit of descriptors for this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def none_left() -> Iterator[None]:
    """Takes all the descriptors that there are."""
    with at_most(lowest_free() + 50), ExitStack() as stack:
        try:
            while True:
                stack.callback(os.close, os.dup(0))
        except OSError:
            pass
        yield
