"""From when until when a certificate is valid: the one thing that is read from it here.

Python's `ssl` shows the dates of a peer's certificate only. They are read from its DER (ITU-T
X.690) as RFC 5280, 4.1 lays it out.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime

from l7proxy.files import refuse_special

_PEM = r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----"
_MOST = 1 << 20
"""Bytes of a file that are looked at."""
_SEQUENCE, _INTEGER, _VERSION, _UTC_TIME = 0x30, 0x02, 0xA0, 0x17


def validity(path: str) -> tuple[float, float] | None:
    """Returns the first and last instant of a PEM file's first certificate.

    Both are in seconds since 1970. None where there is none in it, or it can't be read.
    """
    try:
        refuse_special(path)
        with open(path, "rb") as file:
            found = re.search(_PEM, file.read(_MOST).decode("latin-1"), re.DOTALL)
        return None if found is None else dates_in(ssl.PEM_cert_to_DER_cert(found[0]))
    except (OSError, ValueError, IndexError):
        return None


def dates_in(certificate: bytes) -> tuple[float, float]:
    """Returns the dates in the DER of a certificate, as `validity` does.

    Raises ValueError or IndexError where it is none.
    """
    body, _ = _value(certificate, 0, _SEQUENCE)
    fields, _ = _value(body, 0, _SEQUENCE)
    at = 0
    if fields[at] == _VERSION:
        _, at = _value(fields, at, _VERSION)
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):
        # Its serial number, its signature's algorithm, and who issued it.
        _, at = _value(fields, at, tag)
    dates, _ = _value(fields, at, _SEQUENCE)
    begins, at = _value(dates, 0)
    ends, _ = _value(dates, at)
    return _seconds(begins, dates[0]), _seconds(ends, dates[at])


def _value(der: bytes, at: int, tag: int | None = None) -> tuple[bytes, int]:
    """Returns the content of the value that begins at an offset, and where the next one begins."""
    if tag is not None and der[at] != tag:
        raise ValueError(f"a value of the type {der[at]} and not {tag}")
    length, start = der[at + 1], at + 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start])
    if start + length > len(der):
        raise ValueError("a value goes beyond the end")
    return der[start : start + length], start + length


def _seconds(content: bytes, tag: int) -> float:
    """Returns a UTCTime or a GeneralizedTime in seconds since 1970."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        # Two digits of a year: from 50 on those of the century before (RFC 5280, 4.1.2.5.1).
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
