"""A selector as somebody else would write it, outside the package."""

from __future__ import annotations

from collections.abc import Collection

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


class NotASelector:
    """A class that a configuration can name by mistake."""
