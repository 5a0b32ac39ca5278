"""A selector as somebody else would write it, outside the package."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, ClassVar

from l7proxy.core import HttpRequest, Selector
from l7proxy.core.config.record import Record, field
from l7proxy.core.config.spec import count
from l7proxy.core.pool.backend import Backend


class NewestOptions(Record):
    """What may be said about it."""

    skip: int = field(count(0), "how many of the newest are left alone", default=0)


class Newest(Selector):
    """Always the last in order, or as many before it as the option says."""

    options = NewestOptions

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        skip: int = self.settings.skip
        there = [backend for backend in self.eligible if backend not in avoid]
        return there[-1 - skip] if len(there) > skip else None


class Particular(Newest):
    """Finds out only when it sees the backends that it can't work with them."""

    def prepare(self) -> None:
        raise ValueError("not with these backends")


class Hostile(Selector):
    """Does, in requests for /bug, what its `way` says, and elsewhere picks the first."""

    way: ClassVar[str] = ""

    def prepare(self) -> None:
        self.fail("prepare")
        print("printed by prepare")

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        if not self.eligible:
            return None
        if self.way and request is not None and request.target.endswith("/bug"):
            picked: Backend | None = self.misbehave()
            return picked
        return self.eligible[0]

    def misbehave(self) -> Any:
        """Does what no selector should."""
        if self.way == "print":
            print("printed by pick")
            os.write(1, b"written by pick\n")
            return self.eligible[0]
        junk = {
            "a number": 7,
            "another pool's": Backend(0, "a", self.backends[0].config),
            "one that is out": next((b for b in self.backends if not b.eligible), "none is out"),
        }
        if self.way in junk:
            return junk[self.way]
        if self.way == "recursion":
            return self.misbehave()
        self.fail("pick")
        return None

    def fail(self, where: str) -> None:
        """Raises, if that is where it is to."""
        what, _, at = self.way.partition(" in ")
        if at == where:
            raise ERRORS[what]()

    def opened(self, backend: Backend) -> None:
        self.fail("opened")

    def closed(self, backend: Backend) -> None:
        self.fail("closed")

    def observed(self, backend: Backend, seconds: float, now: float, *, failed: bool) -> None:
        self.fail("observed")

    def joined(self, backend: Backend) -> None:
        self.fail("joined")
        super().joined(backend)

    def left(self, backend: Backend) -> None:
        super().left(backend)
        self.fail("left")


ERRORS: dict[str, type[BaseException]] = {
    "a division": ZeroDivisionError,
    "an exit": SystemExit,
    "an end": StopIteration,
    "a value": ValueError,
}


class NotASelector:
    """A class that a configuration can name by mistake."""
