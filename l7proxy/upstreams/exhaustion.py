"""Tells a machine that is out of something from another side that can't be reached."""

from __future__ import annotations

from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM

_SHORTAGES = frozenset((EMFILE, ENFILE, ENOBUFS, ENOMEM))


def is_exhausted(error: OSError) -> bool:
    """Whether this process or machine is out of descriptors or memory: no backend is to blame."""
    return error.errno in _SHORTAGES
