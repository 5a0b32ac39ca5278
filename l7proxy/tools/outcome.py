"""What came of a request, as far as its client or its backend can see it, and how two differ.

`diff` compares it field by field. Of a request that goes to no pool there is nothing that a backend
would be sent, and of a response whose backend is simulated there is what the configuration says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import Headers

    Outcome = Mapping[str, Any]
    """What is compared of a request: a value for each of `FIELDS`, or for those that are known."""
    Difference = tuple[str, Any, Any]
    """A field, and its values before and after."""

FIELDS = (
    "route",
    "pool",
    "backend",
    "address",
    "status",
    "path",
    "host",
    "request_headers",
    "mirror",
    "location",
    "response_headers",
    "set_cookie",
    "body",
)
"""What is compared, in the order in which it is shown."""

SENT = frozenset(("path", "host", "request_headers", "mirror"))
"""What a backend is sent: nothing, where no pool was asked."""

OF_THE_REQUEST = frozenset(("path", "host", "request_headers", "location", "body"))
"""What follows from the request, and so may differ among requests that change alike."""

NOTHING: Outcome = dict.fromkeys(FIELDS)
"""The outcome of a message that was refused."""


def outcome(exchange: Exchange) -> Outcome:
    """Returns what is compared of a request that has ended."""
    response, route, pool = exchange.response, exchange.route, exchange.pool
    assert response is not None
    found: dict[str, Any] = dict.fromkeys(FIELDS)
    found["status"] = response.status
    found["response_headers"] = response.headers
    found["body"] = response.body
    if exchange.local_reply is not None:
        found["body"] = exchange.local_reply.public.encode("utf-8", "replace")
    if response.headers is not None:
        found["location"] = response.headers.get("location")
    if route is not None:
        found["route"] = str(route)
    if exchange.backend is not None:
        found["backend"] = exchange.backend.name
        found["address"] = exchange.backend.address.removeprefix("http://")
    if pool is not None and route is not None:
        found["pool"] = pool.name
        found["path"] = exchange.forward_target
        found["host"] = exchange.forward_host or exchange.request.headers.get("host")
        found["request_headers"] = exchange.forward_headers
        found["mirror"] = route.mirror
    if exchange.set_cookie is not None:
        found["set_cookie"] = _without_value(exchange.set_cookie_header)
    return found


def _without_value(cookie: str | None) -> str | None:
    """Returns a Set-Cookie without its value, which says no more than the backend does."""
    if cookie is None:
        return None
    pair, semicolon, attributes = cookie.partition(";")
    return f"{pair.partition('=')[0]}{semicolon}{attributes}"


def differences(before: Outcome, after: Outcome, fields: Iterable[str]) -> list[Difference]:
    """Returns the fields that both outcomes know and that are not the same.

    Values are as they are shown: of headers only those that are not the same, each as a line.
    """
    sent = before.get("pool") is not None and after.get("pool") is not None
    found = []
    for field in fields:
        if field not in before or field not in after or (field in SENT and not sent):
            continue
        pair = before[field], after[field]
        if pair[0] != pair[1]:
            one, other = _shown(field, *pair)
            if one != other:
                found.append((field, one, other))
    differing = {field for field, _, _ in found}
    # Another pool has other backends, and another backend is elsewhere: that says nothing more.
    implied = {"backend", "address"} if "pool" in differing else {"address"}
    if differing.isdisjoint(("pool", "backend")):
        return found
    return [difference for difference in found if difference[0] not in implied]


def _shown(field: str, before: Any, after: Any) -> tuple[Any, Any]:
    """Returns the values as they are shown."""
    if field.endswith("_headers"):
        return _other_lines(before, after), _other_lines(after, before)
    return (_text(before), _text(after)) if field == "body" else (before, after)


_SHOWN_ELSEWHERE = frozenset(("host", "location"))


def _other_lines(headers: Headers | None, than: Headers | None) -> tuple[str, ...] | None:
    """Returns the lines of the fields that are not alike in both, None where there is none.

    The order of fields with different names means nothing, nor does the case of a name.
    """
    if headers is None:
        return None
    found = []
    for name in dict.fromkeys(name.lower() for name, _ in headers):
        values = headers.all(name)
        if name not in _SHOWN_ELSEWHERE and (than is None or than.all(name) != values):
            found += [f"{name}: {value}" for value in values]
    return tuple(found) or None


def _text(body: bytes | None) -> str | None:
    return None if not body else body.decode("utf-8", "replace")
