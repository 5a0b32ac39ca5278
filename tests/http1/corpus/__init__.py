"""Messages as data: bytes, what must come of them, and why.

The expected answers hold for the parsers and for a whole proxy behind a socket alike: a status
that is answered, or a message that is forwarded.
"""

from __future__ import annotations

from typing import NamedTuple


class Accepted(NamedTuple):
    """A request that is forwarded: what a backend must see of it."""

    method: str
    path: str
    body: bytes = b""
    host: str = "a.example"
    trailers: bytes = b""


class Refused(NamedTuple):
    """A request that is answered with this status, after which the connection is closed."""

    status: int


class Waits(NamedTuple):
    """Nothing is wrong yet, more is needed; a server answers 408 or closes in the end."""


class RequestCase(NamedTuple):
    """What a client sends on one connection, and what comes of each message in it, in order."""

    name: str
    data: bytes
    expect: tuple[Accepted | Refused | Waits, ...]
    why: str


class Relayed(NamedTuple):
    """A response that is passed on: what the client must see of it."""

    status: int
    body: bytes = b""
    interim: int = 0
    """how many interim responses come before it"""
    reusable: bool = True
    """whether the backend connection may serve another request"""
    trailers: bytes = b""
    left: int = 0
    """bytes behind the response that nobody asked for; the connection is not reusable then"""


class BadGateway(NamedTuple):
    """A response that is not passed on: 502, or a cut connection if passing on had begun."""


class Tunnel(NamedTuple):
    """The connection becomes a tunnel; `data` are the backend's first bytes in it."""

    data: bytes = b""


class ResponseCase(NamedTuple):
    """What a backend sends on one connection before it closes it, in answer to `method`."""

    name: str
    method: str
    data: bytes
    expect: Relayed | BadGateway | Tunnel
    why: str
    upgrade: bool = False
    """whether the request asked for an upgrade"""
