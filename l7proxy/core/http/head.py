"""Checks of a request's method, target and fields, and the error texts about them.

Requests from envelopes and tools are checked here. Those from the wire are checked by `http1`, with
expressions made of the same `grammar`; it takes its error texts from here. Where a request has
several faults, the first in this order is reported: the method and the target, control characters
in fields, field names, fields that are repeated, Host, Expect.
"""

from __future__ import annotations

import re

from l7proxy.core.http.grammar import (
    AUTHORITY_WITH_PORT,
    TARGET_CHARACTER,
    find_control,
    host_in,
    is_token,
    plain_name,
    quote,
    visible,
)
from l7proxy.core.http.hop_by_hop import is_claim
from l7proxy.core.http.local_reply import Refused, bad_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from l7proxy.core.http.messages import Headers, HttpRequest

CONTROL_IN_METHOD = "the method has a control character"
BAD_TARGET = "the path has a space, a control character or a #"
CONTROL_IN_NAME = "a field's name has a control character"
CONTENT_IN_CONNECT = "a CONNECT request with a body; what follows it belongs to the tunnel"

MET = "100-continue"
"""The only expectation that can be met, in lower case (RFC 9110, 10.1.1)."""

AT_MOST_ONCE: frozenset[str] = frozenset(
    (
        "authorization",
        "content-range",
        "host",
        "if-modified-since",
        "if-range",
        "if-unmodified-since",
    )
)
"""Fields that one reader takes the first line of and another the last; nginx refuses the same ones.

To backends that read fields as CGI variables, `If_Range` is a second line of If-Range.
"""

_TARGET = f"{TARGET_CHARACTER}*+"
ABSOLUTE = r"[Hh][Tt][Tt][Pp][Ss]?://([^/?]*+)(.*+)"
"""An absolute-form target; the groups are its authority, and its path with the query."""


def find_line_fault(method: str, target: str) -> str | None:
    """Returns the error text for a request's method, or for the form of its target, or None."""
    if find_control(method):
        return CONTROL_IN_METHOD
    if find_control(target):
        return BAD_TARGET
    if is_token(method) is None:
        return f"{quote(method)} is not a method"
    if re.fullmatch(_TARGET, target) is None:
        return BAD_TARGET
    if method == "CONNECT":
        if re.fullmatch(AUTHORITY_WITH_PORT, target) is None:
            return f"CONNECT to {quote(target)}; its target must be host:port"
        return None
    if target.startswith("/") or (target == "*" and method == "OPTIONS"):
        return None
    absolute = re.fullmatch(ABSOLUTE, target)
    if absolute is None:
        return "the path must start with /"
    authority = absolute[1]
    if not authority:
        return "the target has no host"
    return not_a_host(authority) if host_in(authority) is None else None


def find_fault(fields: Iterable[tuple[str, str]]) -> str | None:
    """Returns the error text for the first field that breaks RFC 9110, 5.1 or 5.5, or None."""
    fault = None
    for name, value in fields:
        if find_control(name):
            return CONTROL_IN_NAME
        if find_control(value):
            return control_in_value(name)
        if fault is None and is_token(name) is None:
            fault = not_a_name(name)
    return fault


# What `judge` finds; of several heads in one, the bits that all of them have.
LOOK_AGAIN = 0
CLAIMING = 1
WELL_FORMED = 3


def is_well_formed(fields: Mapping[str, str]) -> bool:
    """Returns whether `judge` finds the fields `WELL_FORMED`."""
    return judge(fields) == WELL_FORMED


def judge(fields: Mapping[str, str], has_controls: bool = True) -> int:
    """Returns `WELL_FORMED` where `check_head` would accept the fields, each without outer blanks.

    Returns `CLAIMING` where they are that, but one of them says where the request came from (see
    `Headers.well_formed`), and else `LOOK_AGAIN`. It takes a few calls for a whole head, and may
    return that for fields that are good. Without `has_controls` it is known that no value has a
    control character. Raises TypeError where a value is not a string.
    """
    values = list(fields.values())
    names = tuple(fields)
    found = WELL_FORMED
    host = _KNOWN_NAMES.get(names)
    if host is None:
        host = _remember(names)
    if host:
        if host not in fields and host[0] == _CLAIMS:
            found, host = CLAIMING, host[1:]
        if host and (host == _LOOK_AGAIN or host_in(fields[host]) is None):
            return LOOK_AGAIN
    if list(map(str.strip, values)) != values:
        return LOOK_AGAIN
    if not has_controls:
        return found
    octets = "".join(values).encode("utf-8", "surrogatepass")
    is_plain = len(octets.translate(None, _NEVER_PLAIN)) == len(octets)
    return found if is_plain else LOOK_AGAIN


_NEVER_PLAIN = bytes((*range(0x20), 0x7F))
"""The control characters, and the tab, which is left to `check_head`."""
_NO_HOST = ""
_LOOK_AGAIN = "?"
_CLAIMS = "!"
_MOST_KNOWN = 1024
_LONGEST_KNOWN = 2048
"""Characters in the names of one head that is remembered."""
_MOST_NAMES = 64
"""Names in one head that is remembered: short ones take up more memory than their characters."""
_KNOWN_NAMES: dict[tuple[str, ...], str] = {}
"""How the names of a head spell Host, `_NO_HOST`, or `_LOOK_AGAIN`; behind `_CLAIMS` where there
are claims.

There are many clients, but clients of one kind send the same names in the same order.
"""


def _remember(names: tuple[str, ...]) -> str:
    """Returns how Host is spelled among the names, or `_NO_HOST`.

    Returns `_LOOK_AGAIN` where names alone can't show that the fields are good. `_CLAIMS` is before
    it where one of them is a claim.
    """
    found = _NO_HOST
    claims = ""
    once: list[str] = []
    for name in names:
        lower = name.lower()
        if is_token(name) is None or lower == "expect":
            found = _LOOK_AGAIN
            break
        if is_claim(name):
            claims = _CLAIMS
        if lower == "host":
            found = name
        plain = plain_name(name)
        if plain in AT_MOST_ONCE:
            once.append(plain)
    if len(set(once)) < len(once):
        found = _LOOK_AGAIN
    found = claims + found
    if len(names) <= _MOST_NAMES and sum(map(len, names)) <= _LONGEST_KNOWN:
        if len(_KNOWN_NAMES) >= _MOST_KNOWN:
            del _KNOWN_NAMES[next(iter(_KNOWN_NAMES))]
        _KNOWN_NAMES[names] = found
    return found


def check_head(request: HttpRequest) -> None:
    """Raises `Refused`, with a 400 or 417, for a fault in the request's fields or cookies.

    Fields that a parser has checked (`Headers.checked`) are not checked again.
    """
    if not request.headers.checked:
        _check_fields(request.headers)
    for name, value in (request.cookies or {}).items():
        if find_control(name) or find_control(value):
            raise Refused(bad_request(f"the cookie {quote(name)} has a control character"))


def _check_fields(headers: Headers) -> None:
    """Raises `Refused` for the first fault in the fields."""
    fields = dict(headers)
    if len(fields) == len(headers) and judge(fields) != LOOK_AGAIN:
        return
    fault = find_fault(headers) or _find_repeated(headers)
    if fault is None:
        hosts = headers.all("host")
        if hosts and host_in(hosts[0]) is None:
            fault = not_a_host(hosts[0])
    if fault is not None:
        raise Refused(bad_request(fault))
    expect = headers.get("expect")
    if expect is not None and expect.lower() != MET:
        raise Refused(bad_request(not_met(expect), 417))


def _find_repeated(headers: Headers) -> str | None:
    """Returns the error text for the first field that is there twice and must not be, or None."""
    seen = set()
    for name, _ in headers:
        plain = plain_name(name)
        if plain in AT_MOST_ONCE:
            if plain in seen:
                return more_than_one(plain)
            seen.add(plain)
    return None


def control_in_value(name: str) -> str:
    """Returns the error text for a field whose value has a control character."""
    return f"the field {visible(name)} has a control character"


def not_a_name(text: str) -> str:
    """Returns the error text for what is not a field name."""
    return f"{quote(text)} is not a field name"


def more_than_one(name: str) -> str:
    """Returns the error text for a field that is repeated and must not be."""
    return f"more than one {name.title()} header"


def not_a_host(text: str) -> str:
    """Returns the error text for what is not an `AUTHORITY`."""
    return f"{quote(text)} is not a host"


def not_met(expect: str) -> str:
    """Returns the error text for an Expect field that asks for anything but `MET`."""
    return f"Expect is {quote(expect)}; only {MET} can be met"
