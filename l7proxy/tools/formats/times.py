"""The times in logs, as seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

from l7proxy.tools.formats.line import BadLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


def common_log_time(text: str) -> float:
    """`10/Oct/2000:13:55:36 -0700`, perhaps with a fraction of a second and without an offset.

    Without an offset it is taken for UTC. Raises `BadLine`.
    """
    clock, _, offset = text.partition(" ")
    try:
        day, month, year = int(clock[:2]), _MONTHS[clock[3:6]], int(clock[7:11])
        hour, minute, second = int(clock[12:14]), int(clock[15:17]), float(clock[18:])
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() + second
        if offset:
            away = int(offset[1:3]) * 3600 + int(offset[3:5]) * 60
            moment += away if offset[0] == "-" else -away
    except (KeyError, ValueError, IndexError):
        raise BadLine(f'"{text}" is not a time') from None
    return moment


def any_time(value: Any) -> float:
    """A time as JSON logs write it: seconds since 1970 (or milli-, micro- or nanoseconds), as a
    number or as text; ISO 8601; or the access logs' own form. Raises `BadLine`."""
    if type(value) in (int, float):
        return _scaled(value)
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            pass
        else:
            return _scaled(number)
        if value[2:3] == "/":
            return common_log_time(value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise BadLine(f'"{value}" is not a time') from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise BadLine("there is no time in it")


def _scaled(number: float) -> float:
    """Seconds, told from finer units by their size: 1e11 seconds are in the year 5138."""
    if not 0 <= number < 1e20:
        raise BadLine(f"{number} is not a time")
    for unit, above in ((1e9, 1e17), (1e6, 1e14), (1e3, 1e11)):
        if number >= above:
            return round(number / unit, 6)
    return float(number)
