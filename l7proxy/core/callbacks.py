"""The callback of those who have nothing to do."""

from __future__ import annotations


def ignore(*_details: object) -> None:
    """Does nothing, whatever it is told."""
