"""A table of slots, which `ring-hash`, `bounded-load` and `maglev` have in common.

A table is built once for all backends of a pool, whether eligible or not. The slots of each
backend are numbered, and the first so many of them are open: none while the backend is not
eligible, fewer while it weighs less than when the table was built (slow start). So a backend that
leaves, returns or starts slowly costs one number instead of a new table, and no key moves
needlessly: a key goes to the first open slot, in an order of its own.
"""

from __future__ import annotations

from itertools import chain, islice

from l7proxy.core.flags import REMOVED
from l7proxy.core.selectors.base import Selector
from l7proxy.core.selectors.hash_key import hash_key
from l7proxy.core.selectors.hashing import hash64
from l7proxy.core.selectors.rendezvous import Scores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping, Sequence
    from typing import Any

    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.pool.backend import Backend, Weight

_LOOKS = 128
"""Slots looked at before a rendezvous among the eligible decides. So many in a row that are not
open mean that few backends are eligible, and that asking each of them is quick."""


class LookupTable(Selector):
    """A selector with a table. Subclasses say how it is built and in what order it is searched.

    Only a new backend, or a weight above all earlier ones, makes a new table necessary. It is
    built before the next pick, so that a reload with a hundred changes builds one.
    """

    def prepare(self) -> None:
        self._key = hash_key(self.settings.hash_key)
        self._scores = Scores()
        self._owners: Sequence[Backend] = ()
        """The owner of each slot."""
        self._numbers: Sequence[int] = ()
        """The number of each slot among those of its owner."""
        self._open: dict[Backend, int] = {}
        """The number of each backend's open slots: those that have a lower number are open."""
        self._built_for: Mapping[Backend, Weight] = {}
        """The weights for which the table was built."""
        self._rebuild()

    def build(self, weights: Mapping[Backend, Weight]) -> tuple[Sequence[Backend], Sequence[int]]:
        """Returns each slot's owner, and which of its owner's slots it is, counted from 0."""
        raise NotImplementedError

    def first_slot(self, key: bytes) -> int:
        """Returns the slot in which the key is looked for first."""
        raise NotImplementedError

    def further_slots(self, key: bytes, first: int) -> Iterable[int]:
        """Returns the slots in which the key is looked for after that, in order."""
        raise NotImplementedError

    def slots_of(self, backend: Backend) -> int:
        """Returns how many slots of an eligible backend are open at its present weight."""
        raise NotImplementedError

    def pick(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Backend | None:
        return self.find(self._key(request), avoid)

    def find(self, key: bytes, avoid: Container[Backend]) -> Backend | None:
        """Returns the owner of the key's first open slot, those in `avoid` left out."""
        if not self.eligible:
            return None
        if self._outdated:
            self._rebuild()
        first = self.first_slot(key)
        owner = self._owners[first]
        if self._numbers[first] < self._open[owner] and owner not in avoid:
            return owner
        owners, numbers, open_slots = self._owners, self._numbers, self._open
        for slot in islice(self.further_slots(key, first), _LOOKS):
            owner = owners[slot]
            if numbers[slot] < open_slots[owner] and owner not in avoid:
                return owner
        return self._scores.best(hash64(key), [b for b in self.eligible if b not in avoid])

    def joined(self, backend: Backend) -> None:
        super().joined(backend)
        self.reweighted(backend)

    def left(self, backend: Backend) -> None:
        super().left(backend)
        self._open[backend] = 0

    def reweighted(self, backend: Backend) -> None:
        if backend.weight > self._built_for.get(backend, 0):
            self._outdated = True
        else:
            self._open[backend] = self.slots_of(backend)

    def forgotten(self, backend: Backend) -> None:
        # Its slots stay, and none of them is open, until there is a reason for a new table. The
        # address may be back by then, as another backend.
        self._outdated = self._outdated or backend in self._built_for

    def explain(
        self, request: HttpRequest | None = None, avoid: Collection[Backend] = ()
    ) -> Mapping[str, Any]:
        key = self._key(request)
        shown = key.decode("utf-8", "backslashreplace")
        if not self.eligible:
            return {"key": shown}
        if self._outdated:
            self._rebuild()
        first = self.first_slot(key)
        return {
            "key": shown,
            "place": first,
            "of": len(self._owners),
            "owner": self._owners[first].name,
        }

    def _rebuild(self) -> None:
        known = [backend for backend in self.backends if not backend.flags & REMOVED]
        self._built_for = {b: max(b.weight, b.full_weight) for b in known}
        self._scores.seed(known)
        self._owners, self._numbers = self.build(self._built_for)
        self._open = {b: self.slots_of(b) if b.eligible else 0 for b in known}
        self._outdated = False


def round_from(first: int, size: int) -> Iterable[int]:
    """Returns the slots after `first`, once round the table."""
    return chain(range(first + 1, size), range(first))
