"""The two ways a message is refused.

Both carry a sentence for people: what is wrong, where (byte offset or field number), and
what would have been right. `status` is the answer the client gets.
"""

from __future__ import annotations

from l7proxy.core.http.local_reply import LocalReply, bad_request


class BadMessage(Exception):
    """Bytes that are not one unambiguous HTTP/1.1 message; close the connection they came on."""

    status: int
    reason: str

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class BadRequest(BadMessage):
    """A request to refuse with `status` (400, 414, 417, 431, 501 or 505); then close."""

    @property
    def local_reply(self) -> LocalReply:
        """What the client is answered."""
        return bad_request(self.reason, self.status)


class BadResponse(BadMessage):
    """A backend's response that must not be passed on.

    `status` is always 502, whatever the rule broken would have meant in a request.
    """

    def __init__(self, reason: str, status: int = 502) -> None:
        super().__init__(reason, 502)
