"""What a connection to a backend is busy with.

IDLE ──send──> WAITING ──a head──> READING ──its end──> IDLE, or CLOSED
                  └──101──> TUNNEL ──> CLOSED
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What a connection is busy with: see the module."""

    IDLE = "idle"
    WAITING = "waiting"
    READING = "reading"
    TUNNEL = "tunnel"
    CLOSED = "closed"


IDLE = State.IDLE
WAITING = State.WAITING
READING = State.READING
TUNNEL = State.TUNNEL
CLOSED = State.CLOSED
