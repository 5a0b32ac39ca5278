"""Responses that come from no backend: error pages, and what the core has in full."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from l7proxy.http1.serialise import error_page, response_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.http.messages import HttpResponse
    from l7proxy.http1 import RequestHead


class Dates:
    """The Date field, formatted once a second."""

    def __init__(self, time: Callable[[], float] = time.time) -> None:
        """`time` returns the seconds since 1970."""
        self._time = time
        self._second = 0
        self._line = b""
        self._text = ""

    def line(self) -> bytes:
        """Returns `Date: ...` with its CRLF."""
        self._refresh()
        return self._line

    def text(self) -> str:
        """Returns the date alone."""
        self._refresh()
        return self._text

    def _refresh(self) -> None:
        second = int(self._time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True)
            self._line = b"Date: %b\r\n" % self._text.encode()


DATES = Dates()


def local_response(
    response: HttpResponse,
    local_reply: LocalReply | None,
    request: RequestHead | None,
    *,
    close: bool,
) -> tuple[bytes, bytes]:
    """Returns head and body of a response that came from no backend.

    A `local_reply` is shown on an error page where the response has no body. `request` is None
    where its head was bad, `close` says that the connection ends with the response.
    """
    fields = [] if response.headers is None else list(response.headers)
    if response.headers is None or response.headers.get("date") is None:
        fields.append(("Date", DATES.text()))
    if request is not None and request.minor == 0 and not close:
        fields.append(("Connection", "keep-alive"))
    with_body = request is None or request.method != "HEAD"
    if local_reply is None or response.body is not None:
        return _in_full(response, fields, close=close, with_body=with_body)
    return error_page(
        response.status,
        local_reply.public,
        accept=None if request is None else request.get("accept"),
        fields=fields,
        close=close,
        with_body=with_body,
    )


def _in_full(
    response: HttpResponse, fields: list[tuple[str, str]], *, close: bool, with_body: bool
) -> tuple[bytes, bytes]:
    """Returns head and body of a response whose body is there, with the right Content-Length."""
    if close:
        fields.append(("Connection", "close"))
    if response.status < 200 or response.status in (204, 304):
        return response_head(response.status, fields), b""
    body = response.body or b""
    fields = [(name, value) for name, value in fields if name.lower() != "content-length"]
    fields.append(("Content-Length", str(len(body))))
    return response_head(response.status, fields), body if with_body else b""
