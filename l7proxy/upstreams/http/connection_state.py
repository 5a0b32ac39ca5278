"""What a connection to a backend is busy with; `connection` says how one state follows another."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What a connection is busy with."""

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
