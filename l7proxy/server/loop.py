"""Makes the event loop: uvloop's where it is installed, asyncio's own otherwise."""

from __future__ import annotations

import asyncio
from importlib import import_module


def new_event_loop(*, fast: bool = True) -> asyncio.AbstractEventLoop:
    """Returns a new event loop: uvloop's if it is installed and `fast` is true."""
    if fast:
        try:
            uvloop = import_module("uvloop")
        except ImportError:
            pass
        else:
            loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
            return loop
    return asyncio.new_event_loop()
