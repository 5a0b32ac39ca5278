"""What the readers of logs share: what they make of a line, and how they say that they can't."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from json import JSONDecoder
from typing import Any

from l7proxy.core.config.simulate import SimulateConfig
from l7proxy.core.config.spec import LONGEST
from l7proxy.core.config.strict_json import why_not
from l7proxy.core.http.head import CLAIMING, WELL_FORMED, judge
from l7proxy.core.http.messages import (
    NO_HEADERS,
    ClaimingHeaders,
    Headers,
    HttpRequest,
    ObjectHeaders,
)
from l7proxy.envelope.members import headers_member
from l7proxy.tools.formats.escapes import repaired_json

Envelope = dict[str, Any]
LoggedRequest = tuple[float, HttpRequest]
"""When a request was made, in seconds since 1970, and the request."""
LogReader = Callable[[str], LoggedRequest]


_JSON = JSONDecoder()


class BadLine(ValueError):
    """A line that is not of the format, or is not about a request; the text says why."""


class NoRequest(BadLine):
    """A line that is of the format, and is not about a request that could be read."""


class Heading(NoRequest):
    """A line about the log itself. It is skipped without being counted as one that was."""


def decode_json(line: str) -> Any:
    """Returns the JSON value in a line; raises `BadLine`.

    `JSONDecoder.decode` looks for blanks around the value first, which takes a third of the time
    and is left to the lines that need it. So are escapes that are none in JSON, as `\\x22`.
    """
    try:
        try:
            value, end = _JSON.raw_decode(line)
        except ValueError:
            return _JSON.decode(repaired_json(line) if "\\x" in line else line)
        return _JSON.decode(line) if line[end:].strip() else value
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {why_not(error)}") from None


@lru_cache(1024)
def as_served(status: int | None, seconds: float | None) -> SimulateConfig | None:
    """Returns what simulated backends do to serve a request as it was served then.

    `status` and `seconds`, how long it took, are what the log says, None where it says nothing.
    What no backend could do is left out, and None is returned where nothing is left.
    """
    if status is not None and not 200 <= status <= 599:
        status = None
    if seconds is not None and not 0 <= seconds <= LONGEST:
        seconds = None
    if status is None and seconds is None:
        return None
    return SimulateConfig(status=status, latency=seconds)


def status_from(value: Any) -> int | None:
    """Returns the status that a JSON value is, or is the text of; None where it is neither."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def milliseconds(text: str) -> float | None:
    """Returns the seconds in a text that is whole milliseconds; None where it is anything else."""
    if text.isascii() and text.isdecimal() and len(text) < 16:
        return int(text) / 1000
    return None


class Field:
    """A header field that was logged by itself: without blanks around its value, as it was sent."""

    __slots__ = ("found", "name", "value")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.value = text.strip(" \t")
        self.found = judge({name: self.value})


def field(name: str, text: str) -> Field:
    """Returns the field of that name and text.

    Remembers some of those that are not long: many clients send the same values.
    """
    return _known_field(name, text) if len(text) <= _LONGEST_KNOWN else Field(name, text)


_known_field = lru_cache(4096)(Field)
_LONGEST_KNOWN = 1024
"""Characters of the longest value that is remembered."""


def headers_of(fields: Sequence[Field]) -> Headers:
    """Returns the headers of a request, given fields with different names."""
    if not fields:
        return NO_HEADERS
    made = {}
    found = WELL_FORMED
    for each in fields:
        made[each.name] = each.value
        found &= each.found
    if found == WELL_FORMED:
        return ObjectHeaders(made)
    return ClaimingHeaders(made) if found == CLAIMING else Headers(made.items())


def headers_from(members: Mapping[str, str | list[str]]) -> Headers:
    """Returns the headers of a request, given each name with its line or lines."""
    return headers_member({"headers": members}) if members else NO_HEADERS


def headers_said(host: str | None, referer: str | None, agent: str | None) -> Headers:
    """Returns the headers that most logs tell of; None and `-` are none."""
    given = (("Host", host), ("Referer", referer), ("User-Agent", agent))
    return headers_of(
        [field(name, text) for name, text in given if text is not None and text != "-"]
    )


def client_of(text: str) -> str:
    """Returns the address of a client without its port; the first one of a list of several."""
    text = text.partition(",")[0].strip()
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        text = host
    return text.strip("[]")


def is_address(text: str) -> bool:
    """Returns whether the text is an IP address, perhaps with a port."""
    try:
        ip_address(client_of(text))
    except ValueError:
        return False
    return True


_WORD = re.compile(r'"((?>(?:[^"\\]|\\.)*))"|([^\s"]\S*+|")')


def words_of(text: str) -> list[tuple[bool, str]]:
    """Returns the words of a line: whether each was quoted, and its text without the quotes."""
    return [
        (found[2] is None, found[1] if found[2] is None else found[2])
        for found in _WORD.finditer(text)
    ]


def texts_of(text: str) -> list[str]:
    """Returns the words of a line without their quotes."""
    return [word for _, word in words_of(text)]


def request_line(text: str) -> tuple[str, str]:
    """Returns the method and the target of `GET /path HTTP/1.1`; raises `NoRequest`.

    A log may hold a target with spaces in it: it reaches from the first space to the last one.
    """
    method, _, rest = text.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not target or not version.startswith("HTTP/"):
        raise NoRequest(f'"{text}" is not a request line')
    return method, target
