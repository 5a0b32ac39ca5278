"""The answers that the proxy gives in place of a backend, each with its status code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.http.messages import Headers


class LocalReply:
    """An answer of the proxy's own: a stable name, the HTTP status, and a line of text for people.

    `summary` is the text without the details of one request, and `public` the text for clients: it
    says nothing of what is behind the proxy, or how that is configured.
    """

    __slots__ = ("name", "public", "status", "summary", "text")

    def __init__(
        self,
        name: str,
        status: int,
        text: str,
        summary: str | None = None,
        public: str | None = None,
    ) -> None:
        self.name = name
        self.status = status
        self.text = text
        self.summary = text if summary is None else summary
        if public is None:
            public = text if status < 500 else self.summary
        self.public = public

    def with_detail(self, detail: str, hint: str = "") -> LocalReply:
        """Returns the same local reply with the details of one request in its text.

        A `hint` is for the operator, who may see to it that the next one fares better.
        """
        text = f"{self.text}: {detail}"
        # Which limit it was is for who has set it.
        public = self.public if self.name == RATE_LIMITED.name else None
        if hint:
            text, public = f"{text}; {hint}", text
        return LocalReply(self.name, self.status, text, self.summary, public)

    def with_status(self, status: int) -> LocalReply:
        """Returns the same local reply with the status that a backend gave."""
        return LocalReply(self.name, status, f"{self.text}: {status}", self.summary)

    def __repr__(self) -> str:
        return f"LocalReply({self.status} {self.text})"


BAD_REQUEST = LocalReply("bad_request", 400, "bad request")
CLIENT_TIMED_OUT = LocalReply("client_timed_out", 408, "the request took too long to arrive")
CONTENT_TOO_LARGE = LocalReply("content_too_large", 413, "the request's body is too large")
NO_ROUTE = LocalReply("no_route", 404, "no route matches")
NOT_ALLOWED = LocalReply("not_allowed", 405, "no route takes this method")
BAD_REWRITE = LocalReply("bad_rewrite", 500, "the route's rewrite makes nothing usable")
RATE_LIMITED = LocalReply("rate_limited", 429, "too many requests")
NO_BACKEND = LocalReply("no_backend", 503, "no backend is available")
DRAINING = LocalReply("draining", 503, "the proxy is shutting down")
OVERLOADED = LocalReply("overloaded", 503, "too many requests are in flight")
CRASHED = LocalReply("crashed", 500, "the proxy has a bug; its log says more")
EXHAUSTED = LocalReply("exhausted", 503, "the proxy can't open another connection now")
CONNECT_FAILED = LocalReply("connect_failed", 502, "the backend refused the connection")
UNREACHABLE = LocalReply("connect_failed", 502, "the backend can't be reached")
RESET = LocalReply("reset", 502, "the backend closed the connection without a response")
GARBAGE = LocalReply("garbage", 502, "the backend sent something that is not a response")
UPSTREAM_ERROR = LocalReply("upstream_error", 502, "the backend answered with an error")
UNAVAILABLE = LocalReply("unavailable", 503, "the backend can't take the request now")
TIMED_OUT = LocalReply("timed_out", 504, "the backend took too long")


def bad_request(why: str, status: int = 400, hint: str = "") -> LocalReply:
    """Returns the local reply to a request that is not good HTTP; `why` is a text for people.

    `hint` is for the operator.
    """
    if status == BAD_REQUEST.status:
        return BAD_REQUEST.with_detail(why, hint)
    return LocalReply(BAD_REQUEST.name, status, why)


class Refused(Exception):
    """Raised where a request is refused; it is answered with `local_reply` and `headers`."""

    def __init__(self, local_reply: LocalReply, headers: Headers | None = None) -> None:
        super().__init__(local_reply.text)
        self.local_reply = local_reply
        self.headers = headers
