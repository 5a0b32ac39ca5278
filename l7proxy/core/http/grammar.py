"""What header fields must be made of, for requests that no parser of the wire has looked at."""

from __future__ import annotations

import re

from l7proxy.core.http.local_reply import BAD_REQUEST, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.http.messages import Headers, HttpRequest

is_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
"""RFC 9110, 5.6.2."""
_control = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


def find_fault(headers: Headers) -> str | None:
    """What is wrong with the first field that can't be sent on (RFC 9110, 5.1 and 5.5), if any."""
    for name, value in headers:
        if not is_token(name):
            return f'"{name}" is not a field name'
        if _control(value):
            return f"the field {name} has a control character"
    return None


def check_fields(request: HttpRequest) -> None:
    """Raises `Refused` with a 400 where a header or cookie could not be sent on as it is."""
    fault = find_fault(request.headers)
    if fault is None:
        for name, value in (request.cookies or {}).items():
            if _control(name) or _control(value):
                fault = f'the cookie "{name}" has a control character'
    if fault is not None:
        raise Refused(BAD_REQUEST.with_detail(fault))
