"""Answers of the proxy's own: error pages, and responses that the core has in full."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from l7proxy.http1.serialise import error_page, response_head

if TYPE_CHECKING:
    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.http.messages import HttpResponse
    from l7proxy.http1 import RequestHead


class Dates:
    """The Date field, written anew once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""
        self._text = ""

    def line(self) -> bytes:
        """`Date: ...` with its CRLF."""
        self._refresh()
        return self._line

    def text(self) -> str:
        """The date alone."""
        self._refresh()
        return self._text

    def _refresh(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True)
            self._line = b"Date: %b\r\n" % self._text.encode()


DATES = Dates()


def answer(
    response: HttpResponse, local_reply: LocalReply | None, head: RequestHead | None, *, close: bool
) -> tuple[bytes, bytes]:
    """Head and body of a response that came from no backend; `head` is None where it was bad."""
    with_body = head is None or head.method != "HEAD"
    fields = [] if response.headers is None else list(response.headers)
    fields.append(("Date", DATES.text()))
    if head is not None and head.minor == 0 and not close:
        fields.append(("Connection", "keep-alive"))
    if local_reply is not None and response.body is None:
        accept = None if head is None else head.fields.get("accept")
        return error_page(
            response.status,
            local_reply.public,
            accept=accept,
            fields=fields,
            close=close,
            with_body=with_body,
        )
    body = response.body or b""
    if close:
        fields.append(("Connection", "close"))
    if response.status >= 200 and response.status not in (204, 304):
        fields = [(name, value) for name, value in fields if name.lower() != "content-length"]
        fields.append(("Content-Length", str(len(body))))
    else:
        with_body = False
    return response_head(response.status, fields), body if with_body else b""
