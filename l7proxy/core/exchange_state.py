"""Where an exchange stands.

NEW ──select──> ATTEMPTING ──responded──> RESPONDING ──completed──> ENDED
 │                │  ^  │                     │
 │                │  │  └──failed──> ATTEMPTING, BACKING_OFF, or ENDED with a local reply
 │                │  │                        └──failed (the response broke off)──> ENDED
 │                │  └── a place is free ── QUEUED ── waited too long ──> ENDED
 │                └── BACKING_OFF ── the wait is over ──> ATTEMPTING, QUEUED or ENDED
 ├──> QUEUED      where every backend is full
 └──> ENDED       where there is no route, no backend, or the request is bad
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where an exchange stands."""

    NEW = "new"
    QUEUED = "queued"
    """It waits for a place on a backend."""
    ATTEMPTING = "attempting"
    """A backend has the request, or is about to get it."""
    BACKING_OFF = "backing off"
    """It waits before another attempt."""
    RESPONDING = "responding"
    """The response that the client gets has begun."""
    ENDED = "ended"


NEW = State.NEW
QUEUED = State.QUEUED
ATTEMPTING = State.ATTEMPTING
BACKING_OFF = State.BACKING_OFF
RESPONDING = State.RESPONDING
ENDED = State.ENDED
