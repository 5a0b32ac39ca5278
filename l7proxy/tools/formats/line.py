"""What every reader of a log shares: the envelope it makes, and how it says that it can't."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Envelope = dict[str, Any]
    Reader = Callable[[str], Envelope]
else:
    Envelope = dict
    Reader = object


class BadLine(ValueError):
    """A line that is not of the format, or is not about a request; the text says why."""


class Logged:
    """What a log says about how a request was served, for a replay that is to be like it.

    `seconds` is how long the backend took, None where the log doesn't say.
    """

    __slots__ = ("seconds", "status")

    def __init__(self, status: int | None, seconds: float | None) -> None:
        self.status = status
        self.seconds = seconds


def envelope(
    at: float,
    client: str,
    method: str,
    path: str,
    headers: dict[str, str] | None,
    logged: Logged | None = None,
) -> Envelope:
    """The envelope of a request; with `logged`, simulated backends do what they did then."""
    body: dict[str, Any] = {"type": "http_request", "method": method, "path": path}
    if headers:
        body["headers"] = headers
    if logged is not None:
        simulate(body, logged)
    return {"src": client, "at": at, "body": body}


def simulate(body: dict[str, Any], logged: Logged) -> None:
    """Has simulated backends do for the request in `body` what they did then."""
    said: dict[str, Any] = {}
    if logged.status is not None and 200 <= logged.status <= 599:
        said["status"] = logged.status
    if logged.seconds is not None and logged.seconds >= 0:
        said["latency"] = logged.seconds
    if said:
        body["simulate"] = said


def request_line(text: str) -> tuple[str, str]:
    """The method and target of `GET /path HTTP/1.1`; raises `BadLine`.

    A log may hold a target with spaces in it: what is between the first and the last one counts.
    """
    method, _, rest = text.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not target or not version.startswith("HTTP/"):
        raise BadLine(f'"{text}" is not a request line')
    return method, target
