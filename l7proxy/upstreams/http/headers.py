"""The core's view of a header block, decoded when somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.http.messages import WellFormedHeaders

if TYPE_CHECKING:
    from l7proxy.http1 import Fields


ABOUT_CLIENTS = frozenset(
    ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
)
"""The fields about where a request came from, in lower case: the proxy's to write."""


def host_field(address: str) -> str:
    """The value of a Host field of our own, for a backend at that address."""
    if address.startswith("unix:"):
        return "localhost"
    return address.partition("://")[2] or address


class WireHeaders(WellFormedHeaders):
    """Headers that were parsed from bytes. Most requests and responses never decode theirs."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._index = None

    def __getattr__(self, name: str) -> list[tuple[str, str]]:
        if name != "_pairs":
            raise AttributeError(name)
        self._pairs = [
            (key.decode("latin-1"), value.decode("latin-1")) for key, value in self._fields.items()
        ]
        return self._pairs
