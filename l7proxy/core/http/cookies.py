"""The cookies of a request: those of its Cookie fields, and those given beside them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from l7proxy.core.http.messages import HttpRequest


def cookies_of(request: HttpRequest) -> Mapping[str, str]:
    """Returns every cookie by name; the first of a repeated name counts.

    User agents send the more specific cookie first (RFC 6265, 5.4). Cookies given beside the
    headers (`HttpRequest.cookies`) win over those of Cookie fields.
    """
    lines = request.headers.all("cookie")
    if not lines:
        return request.cookies or {}
    found: dict[str, str] = dict(request.cookies or {})
    for line in lines:
        for name, value in cookie_pairs(line):
            found.setdefault(name, value)
    return found


def cookie_pairs(line: str) -> list[tuple[str, str]]:
    """Returns the names and values of one Cookie field; values lose surrounding quotes.

    A part without `=` or without a name is skipped: one bad cookie must not hide the others.
    """
    pairs = []
    for part in line.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip(" \t")
        if equals and name:
            value = value.strip(" \t")
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1]
            pairs.append((name, value))
    return pairs
