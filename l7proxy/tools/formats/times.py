"""The times in logs, as seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from l7proxy.tools.formats.line import BadLine

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


_OFFSET = len("-0700")
LONGEST = 64
"""Characters of the longest text that is taken for a time."""


def common_log_time(text: str) -> float:
    """Returns the time of `10/Oct/2000:13:55:36 -0700`; raises `BadLine`.

    The seconds may have a fraction. Without an offset the time is taken for UTC.
    """
    clock, _, offset = text.partition(" ")
    try:
        return minute_began(clock[:17], offset[:_OFFSET]) + float(clock[18:])
    except ValueError:
        raise BadLine(f'"{text}" is not a time') from None


@lru_cache(64)
def minute_began(text: str, offset: str = "") -> float:
    """Returns when the minute `10/Oct/2000:13:55` began; raises `BadLine`.

    `offset` is that of its time zone, UTC's if not given. Remembers some, for many lines are of
    the same few minutes.
    """
    try:
        day, month, year = int(text[:2]), _MONTHS[text[3:6]], int(text[7:11])
        hour, minute = int(text[12:14]), int(text[15:17])
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()
        if offset:
            away = int(offset[1:3]) * 3600 + int(offset[3:5]) * 60
            moment += away if offset[0] == "-" else -away
    except (KeyError, ValueError):
        raise BadLine(f'"{text}" is not a time') from None
    return moment


def any_time(value: Any) -> float:
    """Returns a time as JSON logs write it; raises `BadLine`.

    Seconds since 1970 (or milli-, micro- or nanoseconds) as a number or as text; ISO 8601; or
    the form of the access logs.
    """
    if type(value) in (int, float):
        return _scaled(value)
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            if len(value) > LONGEST:
                raise BadLine("there is no time in it") from None
            return _written_time(value)
        return _scaled(number)
    raise BadLine("there is no time in it")


@lru_cache(64)
def _written_time(text: str) -> float:
    if text[2:3] == "/":
        return common_log_time(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadLine(f'"{text}" is not a time') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _scaled(number: float) -> float:
    """Returns seconds, told from finer units by their size: 1e11 seconds are in the year 5138."""
    if not 0 <= number < 1e20:
        raise BadLine(f"{number} is not a time")
    for unit, above in ((1e9, 1e17), (1e6, 1e14), (1e3, 1e11)):
        if number >= above:
            return round(number / unit, 6)
    return float(number)
