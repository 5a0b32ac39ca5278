"""An event loop that takes its turns when a test tells it to."""

from __future__ import annotations

from collections.abc import Callable


class Loop:
    """What is to be called soon is called in the next turn; time passes by `now` alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: list[Callable[[], object]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()
