"""An `http_request` body as the core's `HttpRequest`."""

from __future__ import annotations

from base64 import b64decode

from l7proxy.core.config.spec import kind_of
from l7proxy.core.messages import NO_HEADERS, Headers, HttpRequest
from l7proxy.node.codec import Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def request_from(body: Mapping[str, Any], src: str) -> HttpRequest:
    """The request in the body; raises `Malformed` with the pointer of the first thing wrong.

    Whether it is good HTTP is for the core to say: here it need only have the right types.
    """
    path = _text(body, "path")
    if path is None:
        raise Malformed('/body: "path" is missing')
    method = _text(body, "method")
    client_ip = _text(body, "client_ip")
    headers = body.get("headers")
    return HttpRequest(
        "GET" if method is None else method,
        path,
        NO_HEADERS if headers is None else _headers(headers),
        client_ip=src if client_ip is None else client_ip,
        cookies=_cookies(body),
        body=_body_bytes(body),
    )


def _text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is None or type(value) is str:
        return value
    raise Malformed(f"/body/{key}: must be a string, not {kind_of(value)}")


def _headers(value: Any) -> Headers:
    if not isinstance(value, dict):
        raise Malformed(f"/body/headers: must be an object, not {kind_of(value)}")
    pairs: list[tuple[str, str]] = []
    for name, line in value.items():
        for item in line if type(line) is list else (line,):
            if type(item) is not str:
                raise Malformed(f"/body/headers/{name}: must be a string, not {kind_of(item)}")
            pairs.append((name, item))
    return Headers(pairs)


def _cookies(body: Mapping[str, Any]) -> dict[str, str] | None:
    value = body.get("cookies")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Malformed(f"/body/cookies: must be an object, not {kind_of(value)}")
    for name, item in value.items():
        if type(item) is not str:
            raise Malformed(f"/body/cookies/{name}: must be a string, not {kind_of(item)}")
    return value


def _body_bytes(body: Mapping[str, Any]) -> bytes:
    text = _text(body, "body")
    encoding = _text(body, "body_encoding")
    if encoding not in (None, "base64"):
        raise Malformed(f'/body/body_encoding: must be "base64", not "{encoding}"')
    if text is None:
        return b""
    if encoding is None:
        return text.encode("utf-8", "surrogatepass")
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise Malformed(f"/body/body: not base64: {error}") from None
