"""The first message of a TLS handshake, as far as the name that the client asks for.

RFC 8446, 4.1.2 (RFC 5246, 7.4.1.2, has the same form), in records as of RFC 8446, 5.1; RFC 6066, 3.
"""

from __future__ import annotations

LONGEST = 128 * 1024
"""Bytes of a hello that are looked at; OpenSSL refuses any that is as long."""
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0
_RECORD_HEADER, _MESSAGE_HEADER = 5, 4


class Incomplete(Exception):
    """There have to be `needed` bytes before more can be told."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


def server_name(data: bytes) -> str | None:
    """Returns the name that a client asks for, in lower case; None for none, or what is no hello.

    `data` are the first bytes of a connection. Raises `Incomplete` while it can't be told yet.
    """
    try:
        name = _name_in(_Reader(_message(data)))
    except IndexError:
        return None
    return name.decode("ascii").lower() if name is not None and name.isascii() else None


def _message(data: bytes) -> bytes:
    """Returns the first message, which may be in several records, without its header.

    Raises IndexError where it is no client's hello.
    """
    message = b""
    at, needed = 0, _MESSAGE_HEADER
    while len(message) < needed:
        if len(data) < at + _RECORD_HEADER:
            if data[at : at + 1] not in (b"", b"\x16"):
                raise IndexError
            raise Incomplete(at + _RECORD_HEADER)
        length = int.from_bytes(data[at + 3 : at + 5])
        if data[at] != _HANDSHAKE or not length:
            raise IndexError
        at += _RECORD_HEADER
        if len(data) < at + length:
            raise Incomplete(at + length)
        message += data[at : at + length]
        at += length
        if message[0] != _CLIENT_HELLO:
            raise IndexError
        if len(message) >= _MESSAGE_HEADER:
            needed = _MESSAGE_HEADER + int.from_bytes(message[1:4])
        if needed > LONGEST:
            raise IndexError
    return message[_MESSAGE_HEADER:needed]


def _name_in(hello: _Reader) -> bytes | None:
    """Returns the name in a hello; raises IndexError where it ends too early."""
    hello.take(2 + 32)
    hello.vector(1)
    hello.vector(2)
    hello.vector(1)
    extensions = _Reader(hello.vector(2))
    while extensions.left:
        kind = int.from_bytes(extensions.take(2))
        extension = extensions.vector(2)
        if kind == _SERVER_NAME:
            names = _Reader(_Reader(extension).vector(2))
            return names.vector(2) if names.take(1)[0] == _HOST_NAME else None
    return None


class _Reader:
    """Reads bytes from the front; raises IndexError where there are not enough."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise IndexError
        self._at += count
        return self._data[self._at - count : self._at]

    def vector(self, length: int) -> bytes:
        """Returns what stands behind its own length, which is so many bytes long."""
        return self.take(int.from_bytes(self.take(length)))
