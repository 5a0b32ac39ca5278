"""Replies in the order in which the requests came, for clients that want it so."""

from __future__ import annotations


class InOrderWriter:
    """Holds lines back until everything that was asked before them has its reply.

    Lines are appended to `out`.
    """

    def __init__(self, out: list[str]) -> None:
        self._out = out
        self._slots: dict[object, str | None] = {}
        """What is to be written, in order; None for a line that is yet to come."""

    def expect(self, key: object) -> None:
        """Keeps a slot for the reply to `key`, behind all that there are."""
        self._slots[key] = None

    def put(self, line: str, key: object | None) -> None:
        """Puts a line in the slot of `key`; without one the line comes behind all slots."""
        slots = self._slots
        slots[key if key in slots else object()] = line
        while slots and (first := next(iter(slots.items())))[1] is not None:
            self._out.append(first[1])
            del slots[first[0]]
