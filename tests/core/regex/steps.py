"""A matcher that backtracks as Python's does, and counts its steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from l7proxy.core.regex.text import parsed, written, written_set

Next = Callable[[int], bool]


class TooMany(Exception):
    """More steps than were allowed."""


class Stepper:
    """Matches a text from one place on, and has the number of `steps` that it took."""

    def __init__(self, expression: str, text: str, most: int) -> None:
        self.steps = 0
        self._items = parsed(expression, 0)
        self._flags = self._items.state.flags & ~re.UNICODE
        self._text = text
        self._most = most

    def fullmatch(self, start: int = 0) -> bool:
        return self._sequence(self._items, 0, start, lambda at: at == len(self._text))

    def match(self, start: int = 0) -> bool:
        return self._sequence(self._items, 0, start, lambda at: True)

    def _sequence(self, items: Any, index: int, at: int, then: Next) -> bool:
        if index == len(items):
            return then(at)
        operator, value = items[index]
        return self._item(
            operator, value, at, lambda after: self._sequence(items, index + 1, after, then)
        )

    def _item(self, operator: Any, value: Any, at: int, then: Next) -> bool:
        self.steps += 1
        if self.steps > self._most:
            raise TooMany
        name = str(operator)
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            one = compiled(written_set((operator, value), self._flags))
            return one.match(self._text, at) is not None and then(at + 1)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, body = value
            return self._repeat(body, low, high, name == "MIN_REPEAT", 0, -1, at, then)
        if name == "POSSESSIVE_REPEAT":
            return self._once([("MAX_REPEAT", value)], at, then)
        if name == "ATOMIC_GROUP":
            return self._once(value, at, then)
        if name == "SUBPATTERN":
            return self._sequence(value[3], 0, at, then)
        if name == "BRANCH":
            return any(self._sequence(body, 0, at, then) for body in value[1])
        if name == "AT" or value[0] < 0:
            nothing = compiled(written([(operator, value)]))
            return nothing.match(self._text, at) is not None and then(at)
        found = self._sequence(value[1], 0, at, lambda after: True)
        return found == (name == "ASSERT") and then(at)

    def _once(self, items: Any, at: int, then: Next) -> bool:
        ends: list[int] = []

        def end(after: int) -> bool:
            ends.append(after)
            return True

        return self._sequence(items, 0, at, end) and then(ends[0])

    def _repeat(
        self, body: Any, low: int, high: int, lazy: bool, count: int, last: int, at: int, then: Next
    ) -> bool:
        def again() -> bool:
            return (
                count < high
                and (count < low or at != last)
                and self._sequence(
                    body,
                    0,
                    at,
                    lambda after: self._repeat(body, low, high, lazy, count + 1, at, after, then),
                )
            )

        if count < low:
            return again()
        return (then(at) or again()) if lazy else (again() or then(at))


compiled = lru_cache(re.compile)


def steps(expression: str, text: str, *, search: bool = False, most: int = 10**6) -> int:
    """Returns the steps that matching a text takes; `search` finds all matches in it."""
    stepper = Stepper(expression, text, most)
    if not search:
        assert stepper.fullmatch() == (compiled(expression).fullmatch(text) is not None)
        return stepper.steps
    at = 0
    while at <= len(text):
        found = compiled(expression).match(text, at)
        assert stepper.match(at) == (found is not None)
        at = max(found.end() if found else 0, at + 1)
    return stepper.steps
