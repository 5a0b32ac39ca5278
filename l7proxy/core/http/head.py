"""What is wrong with the head of a request, in the same words at every door.

`http1` reads its requests from bytes, and asks here for the words alone. What comes in an envelope,
or from a tool, is checked here as a parser of the wire would check it. Of several faults the first
in reading order counts: in method and target, then control characters in the fields, then what is
no field name, then Host, Expect, and whether there may be content.
"""

from __future__ import annotations

import re

from l7proxy.core.http.grammar import (
    AUTHORITY_WITH_PORT,
    TARGET_CHARACTER,
    find_control,
    host_in,
    is_token,
    quote,
    visible,
)
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
"""The one expectation that is met, in lower case (RFC 9110, 10.1.1)."""

_is_target = re.compile(f"{TARGET_CHARACTER}*+").fullmatch
match_absolute = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?]*+)(.*+)").fullmatch
"""The authority, and path with query, of an absolute-form target without control characters."""


def find_line_fault(method: str, target: str) -> str | None:
    """What is wrong with a request's method, or with the form of its target; None if nothing is."""
    if find_control(method):
        return CONTROL_IN_METHOD
    if find_control(target):
        return BAD_TARGET
    if is_token(method) is None:
        return f"{quote(method)} is not a method"
    if _is_target(target) is None:
        return BAD_TARGET
    if method == "CONNECT":
        if re.fullmatch(AUTHORITY_WITH_PORT, target) is None:
            return f"CONNECT to {quote(target)}; its target must be host:port"
        return None
    if target.startswith("/") or (target == "*" and method == "OPTIONS"):
        return None
    absolute = match_absolute(target)
    if absolute is None:
        return "the path must start with /"
    authority = absolute[1]
    if not authority:
        return "the target has no host"
    return not_a_host(authority) if host_in(authority) is None else None


def find_fault(fields: Iterable[tuple[str, str]]) -> str | None:
    """What is wrong with the first field that can't be sent on (RFC 9110, 5.1 and 5.5), if any."""
    fault = None
    for name, value in fields:
        if find_control(name):
            return CONTROL_IN_NAME
        if find_control(value):
            return control_in_value(name)
        if fault is None and is_token(name) is None:
            fault = not_a_name(name)
    return fault


def is_well_formed(fields: Mapping[str, str], has_controls: bool = True) -> bool:
    """Whether nothing is wrong with these fields: a quick look, which may say no to good ones.

    Then it is for `check_head` to look, and for whoever passes them on to strip the values. Without
    `has_controls` it is known that no value has a control character. Raises TypeError where a value
    is no string.
    """
    values = list(fields.values())
    names = tuple(fields)
    host = _KNOWN_NAMES.get(names)
    if host is None:
        host = _remember(names)
    if host and (host == _LOOK_AGAIN or host_in(fields[host]) is None):
        return False
    if list(map(str.strip, values)) != values:
        return False
    if not has_controls:
        return True
    octets = "".join(values).encode("utf-8", "surrogatepass")
    return len(octets.translate(None, _NEVER_PLAIN)) == len(octets)


_NEVER_PLAIN = bytes((*range(0x20), 0x7F))
"""Control characters, and the tab."""
_NO_HOST = ""
_LOOK_AGAIN = "?"
_MOST_KNOWN = 1024
_LONGEST_KNOWN = 2048
"""How many heads' names are remembered, and how many characters those of one may have."""
_KNOWN_NAMES: dict[tuple[str, ...], str] = {}
"""By the names of a head: how it spells Host, or one of the above.

Clients are many, but those of one kind send the same names in the same order.
"""


def _remember(names: tuple[str, ...]) -> str:
    """How Host is spelled, `_NO_HOST`, or `_LOOK_AGAIN` where the names alone say too little."""
    found = _NO_HOST
    for name in names:
        lower = name.lower()
        if is_token(name) is None or lower == "expect" or (lower == "host" and found):
            found = _LOOK_AGAIN
            break
        if lower == "host":
            found = name
    if sum(map(len, names)) <= _LONGEST_KNOWN:
        if len(_KNOWN_NAMES) >= _MOST_KNOWN:
            del _KNOWN_NAMES[next(iter(_KNOWN_NAMES))]
        _KNOWN_NAMES[names] = found
    return found


def check_head(request: HttpRequest) -> None:
    """Raises `Refused` where fields or cookies could not be sent on as they are.

    Fields that a parser has seen to are not looked at again.
    """
    if not request.headers.well_formed:
        _check_fields(request.headers)
    for name, value in (request.cookies or {}).items():
        if find_control(name) or find_control(value):
            raise Refused(bad_request(f"the cookie {quote(name)} has a control character"))


def _check_fields(headers: Headers) -> None:
    """Raises `Refused` for the first fault in the fields."""
    fields = dict(headers)
    if len(fields) == len(headers) and is_well_formed(fields):
        return
    fault = find_fault(headers)
    if fault is None:
        hosts = headers.all("host")
        if len(hosts) > 1:
            fault = more_than_one("host")
        elif hosts and host_in(hosts[0]) is None:
            fault = not_a_host(hosts[0])
    if fault is not None:
        raise Refused(bad_request(fault))
    expect = headers.get("expect")
    if expect is not None and expect.lower() != MET:
        raise Refused(bad_request(not_met(expect), 417))


def control_in_value(name: str) -> str:
    """That a field's value has a control character."""
    return f"the field {visible(name)} has a control character"


def not_a_name(text: str) -> str:
    """That the text can't be a field's name."""
    return f"{quote(text)} is not a field name"


def more_than_one(name: str) -> str:
    """That there are several fields of a name, in any case, of which there may be one."""
    return f"more than one {name.title()} header"


def not_a_host(text: str) -> str:
    """That the text is not `host` or `host:port`."""
    return f"{quote(text)} is not a host"


def not_met(expect: str) -> str:
    """That an Expect field asks for what can't be had."""
    return f"Expect is {quote(expect)}; only {MET} can be met"
