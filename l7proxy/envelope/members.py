"""HTTP messages inside JSON: headers as an object, bodies as text or base64.

Whatever comes in is checked; `BadMember` names the member that is wrong.
"""

from __future__ import annotations

from l7proxy.core.config.problems import Problems, json_type, pointer_to
from l7proxy.core.config.spec import Bad
from l7proxy.core.http.head import CLAIMING, WELL_FORMED, judge
from l7proxy.core.http.messages import NO_HEADERS, ClaimingHeaders, Headers, ObjectHeaders
from l7proxy.envelope.errors import BadMember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, TypeVar

    from l7proxy.core.config.spec import Spec

    T = TypeVar("T")


def text_member(message: Mapping[str, Any], key: str) -> str | None:
    """A string member; None where it is absent or null."""
    value = message.get(key)
    if value is None or type(value) is str:
        return value
    raise BadMember.at(pointer_to("/body", key), f"must be a string, not {json_type(value)}")


def load_member(spec: Spec[T], value: object, pointer: str) -> T:
    """A member that is written as in a configuration; raises `BadMember` with every problem."""
    problems = Problems()
    loaded = spec.load(value, pointer, problems)
    if isinstance(loaded, Bad):
        raise BadMember(problems.found)
    return loaded


def headers_member(message: Mapping[str, Any], has_controls: bool = True) -> Headers:
    """The `headers` member: name to string, or to a list of strings.

    Values are what they would be on the wire: without blanks around them (RFC 9110, 5.5).

    Without `has_controls` it is known that there is no control character in it.
    """
    value = message.get("headers")
    if value is None:
        return NO_HEADERS
    if not isinstance(value, dict):
        raise BadMember.at("/body/headers", f"must be an object, not {json_type(value)}")
    try:
        found = judge(value, has_controls)
        if found == WELL_FORMED:
            return ObjectHeaders(value)
        if found == CLAIMING:
            return ClaimingHeaders(value)
    except TypeError:
        # A list of lines, or what is no header at all.
        pass
    return Headers(_lines(value))


def _lines(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, line in value.items():
        if type(line) is str:
            yield name, line.strip(" \t")
            continue
        at = pointer_to("/body/headers", name)
        if type(line) is not list:
            raise BadMember.at(at, f"must be a string, not {json_type(line)}")
        for index, item in enumerate(line):
            if type(item) is not str:
                raise BadMember.at(
                    pointer_to(at, index), f"must be a string, not {json_type(item)}"
                )
            yield name, item.strip(" \t")


def body_member(message: Mapping[str, Any]) -> bytes:
    """The `body` member as bytes, decoded as `body_encoding` says."""
    text = text_member(message, "body")
    encoding = text_member(message, "body_encoding")
    if encoding not in (None, "base64"):
        raise BadMember.at("/body/body_encoding", f'must be "base64", not "{encoding}"')
    if text is None:
        return b""
    if encoding is None:
        return text.encode("utf-8", "surrogatepass")
    from base64 import b64decode

    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise BadMember.at("/body/body", f"not base64: {error}") from None


def put_headers(message: dict[str, Any], headers: Headers) -> None:
    """Adds `headers`: one member for each name; several lines of one name become a list."""
    made: dict[str, str | list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in headers:
        key = spelled.setdefault(name.lower(), name)
        before = made.get(key)
        if before is None:
            made[key] = value
        else:
            made[key] = [*before, value] if isinstance(before, list) else [before, value]
    message["headers"] = made


_CONTROLS = bytes(octet for octet in (*range(0x20), 0x7F) if octet not in b"\t\n\r")
_CONTROL_COSTS = len("\\u0000") - 1
"""Bytes by which JSON makes a control character longer."""
_BASE64_COSTS = len(', "body_encoding": "base64"')
"""Bytes by which base64 makes a body longer beside a third of it."""


def put_body(message: dict[str, Any], body: bytes) -> None:
    """Adds `body`, and `body_encoding` where the bytes are not UTF-8.

    Neither is text whose control characters would make it longer than base64 is: as JSON, 60 MB of
    NULs are 360.
    """
    controls = len(body) - len(body.translate(None, _CONTROLS))
    if _CONTROL_COSTS * controls <= len(body) // 3 + _BASE64_COSTS:
        try:
            message["body"] = body.decode()
            return
        except UnicodeDecodeError:
            pass
    from base64 import b64encode

    message["body"] = b64encode(body).decode()
    message["body_encoding"] = "base64"
