"""What a pool's policies have in common: each keeps something in mind about every backend."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from l7proxy.core.backend import Backend

    Stays = Mapping[Backend, Backend]
    """For each backend of one pool that is in another, too, the one that it is there."""
else:
    Stays = object


class Policy:
    """One policy of one pool."""

    def removed(self, backend: Backend) -> None:
        """The backend has left the pool: nothing is kept of it, and nothing is to come."""

    def take_over(self, before: Self, stays: Stays) -> None:
        """Goes on with what is known, under another configuration, of the backends that stay.

        Where the settings are others than they were, that may say nothing any more. The pool has
        had no request yet, and looks at the bars afterwards: they are put up without telling it.
        """
