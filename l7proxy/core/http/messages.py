"""HTTP requests and responses, independent of any wire format."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from l7proxy.core.config.simulate import CannedResponse, SimulateConfig


class Headers:
    """Header fields in order, looked up without regard to case."""

    __slots__ = ("_index", "_pairs")

    well_formed = False
    """Whether the fields are known to pass `head.check_head`, and to claim nothing about where the
    request came from that is not believed."""
    checked = False
    """Whether they are known to pass `head.check_head`, whatever they claim."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = list(pairs)
        self._index: dict[str, list[str]] | None = None

    def lines(self) -> list[tuple[str, str]]:
        """Returns the name and the value of each line, in order."""
        return self._pairs

    def all(self, name: str) -> list[str]:
        """Returns every value of the field, in order; `name` is in lower case."""
        index = self._index
        if index is None:
            index = self._index = {}
            for key, value in self.lines():
                index.setdefault(key.lower(), []).append(value)
        return index.get(name, [])

    def get(self, name: str) -> str | None:
        """Returns the field's value, several lines joined by ", " (RFC 9110, 5.3), or None."""
        values = self.all(name)
        if not values:
            return None
        return values[0] if len(values) == 1 else ", ".join(values)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.lines())

    def __len__(self) -> int:
        return len(self.lines())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


class WellFormedHeaders(Headers):
    """Header fields that are known to be good: they have been checked, or there are none."""

    __slots__ = ()

    well_formed = True
    checked = True


class ObjectHeaders(WellFormedHeaders):
    """Well-formed fields of which each name has one value, as a JSON object has them."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self._index = None

    def lines(self) -> list[tuple[str, str]]:
        return list(self._fields.items())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields.items())

    def __len__(self) -> int:
        return len(self._fields)


class ClaimingHeaders(ObjectHeaders):
    """The same, but that they say where the request came from, which has to be looked at."""

    __slots__ = ()

    well_formed = False


NO_HEADERS = WellFormedHeaders()


class HttpRequest:
    """A request as it arrived.

    `target` is in origin-form or absolute-form (RFC 9112, 3.2), `body` is bytes, `client_ip` is
    the address or name that the request came from. `cookies` are those given beside the Cookie
    header, as the envelope protocol allows. `simulate` says how a simulated backend is to behave
    for this request.
    """

    __slots__ = ("body", "client_ip", "cookies", "headers", "method", "simulate", "target")

    vetted = False
    """Whether `client_ip` is the client for sure, and nothing is left that is not believed."""

    def __init__(
        self,
        method: str,
        target: str,
        headers: Headers = NO_HEADERS,
        client_ip: str = "",
        cookies: dict[str, str] | None = None,
        body: bytes = b"",
        simulate: SimulateConfig | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.client_ip = client_ip
        self.cookies = cookies
        self.body = body
        self.simulate = simulate

    def when_buffered(self, act: Callable[[HttpRequest | None, float], None], now: float) -> None:
        """Calls `act(request, now)` once all of the request's body has come: here, at once.

        The request is None where its body has been passed on and was not kept.
        """
        act(self, now)

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.target})"


class HttpResponse:
    """A response as the client gets it; `headers` is None where there is nothing to say."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, headers: Headers | None = None, body: bytes | None = None
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"HttpResponse({self.status})"


def header_lines(fields: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Yields name and value of each line of the headers in a configuration."""
    for name, value in fields.items():
        for line in (value,) if isinstance(value, str) else value:
            yield name, line


def written_response(canned: CannedResponse) -> HttpResponse:
    """Returns the response that a configuration spells out."""
    headers = None
    if canned.headers is not None:
        headers = Headers(header_lines(canned.headers))
    body = None if canned.body is None else canned.body.encode("utf-8", "surrogatepass")
    return HttpResponse(canned.status or 200, headers, body)
