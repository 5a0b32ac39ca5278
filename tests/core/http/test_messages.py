"""The messages that the core is asked and answers with."""

from __future__ import annotations

from l7proxy.core.http.local_reply import NO_ROUTE
from l7proxy.core.http.messages import Headers, HttpRequest, HttpResponse


def test_headers_are_found_in_any_case_and_keep_their_order() -> None:
    headers = Headers([("Accept", "a"), ("X-One", "1"), ("accept", "b")])
    assert headers.all("accept") == ["a", "b"]
    assert headers.get("accept") == "a, b"
    assert headers.get("x-one") == "1"
    assert headers.get("x-two") is None
    assert (list(headers)[1], len(headers)) == (("X-One", "1"), 3)
    assert headers == Headers(list(headers))
    assert headers != Headers()


def test_messages_show_what_they_are() -> None:
    assert repr(HttpRequest("GET", "/x")) == "HttpRequest(GET /x)"
    assert repr(HttpResponse(204)) == "HttpResponse(204)"
    assert repr(Headers([("a", "b")])) == "Headers([('a', 'b')])"
    assert repr(NO_ROUTE.with_detail("/x")) == "LocalReply(404 no route matches: /x)"
