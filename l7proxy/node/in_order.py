"""Answers in the order in which the requests came, for those who want it so."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class InOrderWriter:
    """Holds lines back until everything that was asked before them has its answer."""

    def __init__(self, out: list[bytes]) -> None:
        self._out = out
        self._places: dict[Any, bytes | None] = {}
        """What is answered, in order of arrival, with the line once there is one."""

    @property
    def waits(self) -> bool:
        """Whether a line that came about now would be held back."""
        return bool(self._places)

    def expect(self, key: object) -> None:
        """The answer to `key` has its place here."""
        self._places[key] = None

    def put(self, line: bytes, key: object | None) -> None:
        """A line, in the place of `key` where that has one, else behind all that is expected."""
        places = self._places
        places[key if key in places else object()] = line
        while places and (first := next(iter(places.items())))[1] is not None:
            self._out.append(first[1])
            del places[first[0]]
