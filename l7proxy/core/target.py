"""What a request target names: a path, a query and perhaps a host (RFC 9112, 3.2)."""

from __future__ import annotations

import re

from l7proxy.core.fields import is_token
from l7proxy.core.verdict import BAD_REQUEST, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.messages import HttpRequest

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#]").search
_ABSOLUTE = re.compile(r"https?://([^/?]+)([^?]*)", re.IGNORECASE).match


class Target:
    """Where a request wants to go: `path` starts with `/`, `query` is without its `?`."""

    __slots__ = ("host", "path", "query")

    def __init__(self, host: str | None, path: str, query: str | None) -> None:
        self.host = host
        self.path = path
        self.query = query


def parse_target(request: HttpRequest) -> Target:
    """The request's target; raises `Refused` with a 400 where there is no making sense of it."""
    if not is_token(request.method):
        raise Refused(BAD_REQUEST.because(f'"{request.method}" is not a method'))
    target = request.target
    if _FORBIDDEN(target):
        raise Refused(BAD_REQUEST.because("the path has a space, a control character or a #"))
    before, mark, query = target.partition("?")
    host = None
    if not before.startswith("/"):
        absolute = _ABSOLUTE(before)
        if absolute is None:
            raise Refused(BAD_REQUEST.because("the path must start with /"))
        host, before = absolute[1], absolute[2] or "/"
    return Target(host, before, query if mark else None)
