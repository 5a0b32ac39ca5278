"""Which event loop: uvloop where it is installed, asyncio's own otherwise. They behave alike."""

from __future__ import annotations

import asyncio


def new_event_loop(*, fast: bool = True) -> asyncio.AbstractEventLoop:
    """A new event loop; `fast` False asks for asyncio's own."""
    if fast:
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()
