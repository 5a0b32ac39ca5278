"""The simulated upstream: backends that answer by themselves, as the configuration says."""

from __future__ import annotations

from l7proxy.core.messages import Headers, HttpResponse
from l7proxy.upstreams.base import Upstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from l7proxy.core.config import CannedResponse, SimulateConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.pool import Pool

OK = HttpResponse(200)


class Simulated(Upstream):
    """Answers each attempt at once with the canned response of its backend and path."""

    def __init__(self, pool: Pool) -> None:
        shared = _Behaviour(pool.config.simulate, None)
        self._behaviours = {
            backend: _Behaviour(backend.config.simulate, shared) for backend in pool.backends
        }

    def start(self, exchange: Exchange, now: float) -> None:
        assert exchange.backend is not None and exchange.target is not None
        behaviour = self._behaviours[exchange.backend]
        exchange.answered(behaviour.response(exchange.target.path), now)


class _Behaviour:
    """What a backend answers: its own words for the path, its own, its pool's, else 200."""

    def __init__(self, config: SimulateConfig | None, otherwise: _Behaviour | None) -> None:
        self._paths: dict[str, HttpResponse] = {}
        self._always: HttpResponse | None = None
        self._otherwise = otherwise
        if config is not None:
            self._paths = {
                path.removesuffix("/"): _response(canned) for path, canned in config.paths.items()
            }
            if not config.paths or config != type(config)(paths=config.paths):
                self._always = _response(config)

    def response(self, path: str) -> HttpResponse:
        if self._paths:
            for prefix in _prefixes(path):
                if prefix in self._paths:
                    return self._paths[prefix]
        if self._always is not None:
            return self._always
        return OK if self._otherwise is None else self._otherwise.response(path)


def _prefixes(path: str) -> Iterator[str]:
    """The path and every prefix of whole segments, the longest first."""
    end = len(path)
    while end >= 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


def _response(canned: CannedResponse) -> HttpResponse:
    headers = None
    if canned.headers is not None:
        headers = Headers(
            (name, line)
            for name, value in canned.headers.items()
            for line in ((value,) if isinstance(value, str) else value)
        )
    body = None if canned.body is None else canned.body.encode("utf-8", "surrogatepass")
    return HttpResponse(canned.status, headers, body)
