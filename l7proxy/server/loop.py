"""Makes the event loop: uvloop's where it is installed, asyncio's own otherwise."""

from __future__ import annotations

import asyncio


def new_event_loop(*, fast: bool = True) -> asyncio.AbstractEventLoop:
    """Returns a new event loop: uvloop's if it is installed and `fast` is true."""
    if fast:
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()
