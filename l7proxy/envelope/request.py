"""An `http_request` body as the core's `HttpRequest`."""

from __future__ import annotations

from l7proxy.core.config.load import NEARLY
from l7proxy.core.config.problems import json_type, nearest, pointer_to
from l7proxy.core.http.messages import HttpRequest
from l7proxy.envelope.errors import BadMember
from l7proxy.envelope.members import body_member, headers_member, load_member, text_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from l7proxy.core.config import SimulateConfig


def request_from(body: Mapping[str, Any], src: str, text: bytes | None = None) -> HttpRequest:
    """The request in the body; raises `BadMember` with the pointer of the first thing wrong.

    Whether it is good HTTP is for the core to say: here it need only have the right types. `text`
    is the JSON that the body was decoded from: where it has no escape and no DEL, no string of it
    has a control character.
    """
    path, method = body.get("path"), body.get("method", "GET")
    if type(path) is not str or type(method) is not str:
        path, method = _line_of(body)
    has_controls = text is None or _BACKSLASH in text or _DEL in text
    headers = headers_member(body, has_controls)
    if body.keys() <= _USUAL:
        return HttpRequest(method, path, headers, src)
    if not body.keys() <= _KNOWN:
        _refuse_misspelt(body)
    client_ip = text_member(body, "client_ip")
    return HttpRequest(
        method,
        path,
        headers,
        src if client_ip is None else client_ip,
        _cookies(body),
        body_member(body),
        _simulate(body),
    )


# Looking for an octet by its number takes a twentieth of looking for one as bytes, which raises an
# exception inside first.
_BACKSLASH, _DEL = b"\\\x7f"

_USUAL = frozenset(("type", "msg_id", "method", "path", "headers"))
"""The members of most requests: with these alone there is nothing else to look up."""


MEMBERS = (
    "type",
    "msg_id",
    "method",
    "path",
    "headers",
    "cookies",
    "client_ip",
    "body",
    "body_encoding",
    "simulate",
    "explain",
    "circuit_state",
)
"""All members of an `http_request`."""
_KNOWN = frozenset(MEMBERS)

_MOST_LOOKED_AT = 8
"""How many unknown members of a request are looked at: people misspell one or two."""
_MOST_REMEMBERED = 1024
_LONGEST = 24
"""Of the names that may be misspelt; the longest member has 13 characters."""
_NEAR: dict[str, str] = {}
"""What was found for the unknown names that were seen last: others send theirs with each request,
and to look for what is alike takes longer than all that is done for a request beside it."""


def _refuse_misspelt(body: Mapping[str, Any]) -> None:
    """Raises `BadMember` for a member that is nearly one of ours, which itself is not there.

    All others are left alone.
    """
    unknown = [name for name in body if name not in _KNOWN and len(name) <= _LONGEST]
    for name in unknown[:_MOST_LOOKED_AT]:
        near = _NEAR.get(name)
        if near is None:
            near = nearest(name.lower(), MEMBERS, NEARLY)
            if len(_NEAR) >= _MOST_REMEMBERED:
                del _NEAR[next(iter(_NEAR))]
            _NEAR[name] = near
        if near and near not in body:
            at = pointer_to("/body", name)
            raise BadMember.at(at, f'unknown member; did you mean "{near}"?')


def _line_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """The path and the method, where one of them is absent, null or no string."""
    path = text_member(body, "path")
    if path is None:
        _refuse_misspelt(body)
        raise BadMember.at("/body", '"path" is missing')
    method = text_member(body, "method")
    return path, "GET" if method is None else method


def _cookies(body: Mapping[str, Any]) -> dict[str, str] | None:
    value = body.get("cookies")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadMember.at("/body/cookies", f"must be an object, not {json_type(value)}")
    for name, item in value.items():
        if type(item) is not str:
            at = pointer_to("/body/cookies", name)
            raise BadMember.at(at, f"must be a string, not {json_type(item)}")
    return value


def _simulate(body: Mapping[str, Any]) -> SimulateConfig | None:
    """The request's own word on how the simulated backend is to behave."""
    if body.get("simulate") is None:
        return None
    from l7proxy.core.config.record import RecordOf
    from l7proxy.core.config.simulate import SimulateConfig

    own: SimulateConfig = load_member(RecordOf(SimulateConfig), body["simulate"], "/body/simulate")
    return own
