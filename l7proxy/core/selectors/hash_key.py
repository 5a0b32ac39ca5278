"""The hash key of a request: the bytes by whose hash it goes to a backend."""

from __future__ import annotations

from l7proxy.core.config.algorithms import HashKeyConfig
from l7proxy.core.http.cookies import cookies_of
from l7proxy.core.http.target import ANY_PATH, host_of, parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.http.messages import HttpRequest

    Part = Callable[[HttpRequest], str | None]
    HashKey = Callable[[HttpRequest | None], bytes]


def hash_key(config: str | HashKeyConfig) -> HashKey:
    """Compiles a `hash_key` option to a function from requests to keys.

    A part that is there but empty counts as absent.

    No request, or one without the part and its fallback, has the empty key. Where a single `str`
    names the part (`client_ip`, `path`, `host`), there is no fallback.
    """
    if isinstance(config, str):
        part = _PARTS[config]

        def key(request: HttpRequest | None) -> bytes:
            return b"" if request is None else _bytes(part(request))

        return key

    named, fallback = _named(config), _PARTS[config.fallback]

    def key_or_fallback(request: HttpRequest | None) -> bytes:
        return b"" if request is None else _bytes(named(request) or fallback(request))

    return key_or_fallback


def _named(config: HashKeyConfig) -> Part:
    """Returns how the part that is looked up by name is found."""
    if config.query is not None:
        parameter = config.query
        return lambda request: _query_parameter(request, parameter)
    if config.header is not None:
        field_name = config.header.lower()
        return lambda request: request.headers.get(field_name)
    cookie = config.cookie or ""
    return lambda request: cookies_of(request).get(cookie)


def _query_parameter(request: HttpRequest, name: str) -> str | None:
    """Returns the first value of that name, as sent: not decoded, as nginx's `$arg_` is not."""
    for pair in request.target.partition("?")[2].split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return value
    return None


def _client_ip(request: HttpRequest) -> str:
    return request.client_ip


def _path(request: HttpRequest) -> str:
    return parse_target(request, ANY_PATH).path


def _host(request: HttpRequest) -> str:
    """Returns the host without its port: that of an absolute-form target, else that of Host."""
    return host_of(request, parse_target(request, ANY_PATH))


_PARTS: dict[str, Part] = {"client_ip": _client_ip, "path": _path, "host": _host}


def _bytes(text: str | None) -> bytes:
    # JSON can carry lone surrogates, which have no UTF-8 of their own.
    return b"" if text is None else text.encode("utf-8", "surrogatepass")
