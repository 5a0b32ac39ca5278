"""Files of recorded traffic: gzipped or not, whatever they are called, and stdin."""

from __future__ import annotations

import gzip
import sys
import zlib
from io import BufferedReader, StringIO, TextIOWrapper
from typing import Any, TextIO

from l7proxy.tools.formats.escapes import PERCENT

_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def open_text(name: str) -> TextIO:
    """Opens a file, or stdin for `-`; raises OSError.

    What is gzipped is unpacked, and reading it raises OSError where it is broken. Octets that are
    not UTF-8 become percent-encoded, as they are in the target of a request. UTF-16 is read where
    the file says that it is. A closed stdin has no lines.
    """
    if name == "-":
        if sys.stdin is None:
            return StringIO()
        octets = getattr(sys.stdin, "buffer", None)
        return sys.stdin if octets is None else _text(octets, "stdin")
    return _text(open(name, "rb"), name)


def _text(octets: BufferedReader, name: str) -> TextIO:
    first = octets.peek(2)[:2]
    if first == _GZIP:
        return TextIOWrapper(_Gzipped(octets, name), encoding="utf-8", errors=PERCENT)
    encoding = "utf-16" if first in _UTF_16 else "utf-8"
    return TextIOWrapper(octets, encoding=encoding, errors=PERCENT)


class _Gzipped(gzip.GzipFile):
    """A gzipped file whose errors name it."""

    def __init__(self, packed: BufferedReader, name: str) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed
        self._shown = name

    def read1(self, size: int = -1) -> bytes:
        try:
            return super().read1(size)
        except (EOFError, OSError, zlib.error) as error:
            raise OSError(f"{self._shown}: {error}") from None

    def position(self) -> int:
        """Returns how many of the packed octets have been read."""
        return self._packed.tell()

    def close(self) -> None:
        super().close()
        self._packed.close()


def position(lines: TextIO) -> int:
    """Returns how many octets of a file have been read."""
    octets: Any = lines.buffer
    return int(octets.position() if isinstance(octets, _Gzipped) else octets.tell())
