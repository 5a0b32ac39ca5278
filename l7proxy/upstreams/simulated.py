"""The simulated upstream: backends that behave as the configuration says.

Without further word a backend answers 200 at once. It can be slow (`latency`), serve only so many
requests at a time while the rest wait inside it (`concurrency`), and go wrong for a while
(`faults`). A request may carry settings of its own.
"""

from __future__ import annotations

from collections import deque
from math import exp, log

from l7proxy.core.config.simulate import LatencyConfig, SimulateConfig
from l7proxy.core.http.local_reply import CONNECT_FAILED, RESET
from l7proxy.core.http.messages import HttpResponse, written_response
from l7proxy.upstreams.base import Upstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from l7proxy.core.config.simulate import FaultConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.local_reply import LocalReply
    from l7proxy.core.policies.health_check import Probe
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.random_streams import RandomStreams
    from l7proxy.core.timers import Timers

    Outcome = HttpResponse | LocalReply

OK = HttpResponse(200)
NOTHING = SimulateConfig()


class Simulated(Upstream):
    """Stands for the backends of one pool.

    The pool's n-th request draws the same latency whatever backend it goes to, so that what
    differs between two algorithms is the algorithm.
    """

    def __init__(self, pool: Pool, streams: RandomStreams) -> None:
        self._pool = pool
        self._latencies = streams.stream(f"{pool.name} latency")
        self._mishaps = streams.stream(f"{pool.name} faults")
        self._servers: dict[Backend, _Server] = {}
        self._plain = self._make(None)
        """Stands for every backend without settings of its own, where nothing is ever under way."""

    def start(self, exchange: Exchange, now: float) -> None:
        assert exchange.backend is not None
        server = self._servers.get(exchange.backend) or self._server(exchange.backend)
        own = exchange.request.simulate
        if own is None and server.is_instant:
            response = server.only_response
            if response is None:
                response = server.response(exchange.forward_path, None)
            exchange.answered(response, now)
            return
        job = _Job(lambda outcome, at: self._report(exchange, outcome, at))
        if not server.take(job, exchange.forward_path, own, now):
            exchange.started(now)
            exchange.on_abandon = job.abandon

    def probe(self, probe: Probe, now: float) -> None:
        job = _Job(lambda outcome, at: _report_probe(probe, outcome, at))
        if not self._server(probe.backend).take(job, probe.path, None, now):
            probe.on_abandon = job.abandon

    def _report(self, exchange: Exchange, outcome: Outcome, now: float) -> None:
        waited = exchange.on_abandon is not None
        if isinstance(outcome, HttpResponse):
            exchange.answered(outcome, now)
        else:
            exchange.failed(outcome, now, sent=outcome is not CONNECT_FAILED)
        if waited:
            self.dispatch(exchange, now)

    def _server(self, backend: Backend) -> _Server:
        server = self._servers.get(backend)
        if server is None:
            own = backend.config.simulate
            plain = self._plain
            server = plain if own is None and plain.is_instant else self._make(own)
            self._servers[backend] = server
        return server

    def _make(self, own: SimulateConfig | None) -> _Server:
        layers = (own, self._pool.config.simulate)
        return _Server(layers, self._latencies, self._mishaps, self._pool.timers)


def _report_probe(probe: Probe, outcome: Outcome, now: float) -> None:
    if isinstance(outcome, HttpResponse):
        probe.answered(outcome.status, now)
    else:
        probe.failed(now)


class _Job:
    """One request inside a simulated backend. Given up, it still keeps its server busy."""

    __slots__ = ("_report", "outcome", "seconds")

    def __init__(self, report: Callable[[Outcome, float], None]) -> None:
        self._report: Callable[[Outcome, float], None] | None = report
        self.outcome: Outcome = OK
        self.seconds = 0.0

    def abandon(self) -> None:
        self._report = None

    @property
    def is_wanted(self) -> bool:
        return self._report is not None

    def finish(self, now: float) -> None:
        if self._report is not None:
            self._report(self.outcome, now)


class _Server:
    """One simulated backend: how it behaves, and whom it is serving."""

    def __init__(
        self,
        layers: tuple[SimulateConfig | None, ...],
        latencies: Random,
        mishaps: Random,
        timers: Timers,
    ) -> None:
        self._layers = tuple(layer for layer in layers if layer is not None)
        self._answers = tuple(map(_Answers, self._layers))
        self._latencies = latencies
        self._mishaps = mishaps
        self._timers = timers
        self._busy = 0
        self._waiting: deque[_Job] = deque()
        self._concurrency = self._setting("concurrency", NOTHING)
        self.only_response = (
            None if any(layer.paths for layer in self._layers) else self.response("", None)
        )
        """What it answers to everything; None where that depends on the path."""
        self.is_instant = all(
            layer.latency is None and layer.concurrency is None and layer.faults is None
            for layer in self._layers
        )

    def response(self, path: str, own: SimulateConfig | None) -> HttpResponse:
        """The response of the request's own settings, else the backend's, the pool's, or 200."""
        if own is not None:
            response = _Answers(own).response(path)
            if response is not None:
                return response
        for answers in self._answers:
            response = answers.response(path)
            if response is not None:
                return response
        return OK

    def take(self, job: _Job, path: str, own: SimulateConfig | None, now: float) -> bool:
        """Takes a request in; whether its outcome was reported at once."""
        settings = NOTHING if own is None else own
        job.seconds = _draw(self._setting("latency", settings), self._latencies)
        job.outcome = self.response(path, own)
        fault = self._fault(settings, now)
        if fault is not None:
            if fault.fault == "hang":
                return False
            if fault.fault == "refuse":
                job.outcome = CONNECT_FAILED
                job.finish(now)
                return True
            job.outcome = RESET if fault.fault == "reset" else HttpResponse(fault.status)
        if self._concurrency is not None and self._busy >= self._concurrency:
            self._waiting.append(job)
            return False
        return self._serve(job, now)

    def _serve(self, job: _Job, now: float) -> bool:
        if not job.seconds:
            job.finish(now)
            return True
        self._busy += 1
        self._timers.schedule(now + job.seconds, lambda due: self._finish(job, due))
        return False

    def _finish(self, job: _Job, now: float) -> None:
        self._busy -= 1
        job.finish(now)
        while self._waiting and self._busy < (self._concurrency or 0):
            following = self._waiting.popleft()
            if following.is_wanted:
                self._serve(following, now)

    def _fault(self, own: SimulateConfig, now: float) -> FaultConfig | None:
        for fault in self._setting("faults", own) or ():
            in_window = fault.start <= now and (fault.end is None or now < fault.end)
            if in_window and (fault.probability == 1 or self._mishaps.random() < fault.probability):
                found: FaultConfig = fault
                return found
        return None

    def _setting(self, name: str, own: SimulateConfig):  # type: ignore[no-untyped-def]
        for layer in (own, *self._layers):
            value = getattr(layer, name)
            if value is not None:
                return value
        return None


class _Answers:
    """The canned responses of one layer of settings, by path."""

    def __init__(self, config: SimulateConfig) -> None:
        self._paths = {
            path.removesuffix("/"): written_response(canned)
            for path, canned in (config.paths or {}).items()
        }
        self._longest = max(map(len, self._paths), default=0)
        self._always = written_response(config) if config.says_something else None

    def response(self, path: str) -> HttpResponse | None:
        if self._paths:
            for prefix in _prefixes(path, self._longest):
                if prefix in self._paths:
                    return self._paths[prefix]
        return self._always


def _prefixes(path: str, longest: int) -> Iterator[str]:
    """The path and every prefix of whole segments up to that length, the longest first."""
    end = len(path)
    if end > longest:
        end = path.rfind("/", 0, longest + 1)
    while end >= 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


def _draw(latency: float | LatencyConfig | None, random: Random) -> float:
    """Seconds, drawn from the distribution."""
    if latency is None:
        return 0.0
    if not isinstance(latency, LatencyConfig):
        return latency
    if latency.fixed is not None:
        return latency.fixed
    if latency.uniform is not None:
        return random.uniform(*latency.uniform)
    if latency.exponential is not None:
        return random.expovariate(1 / latency.exponential)
    assert latency.lognormal is not None
    return exp(random.gauss(log(latency.lognormal.median), latency.lognormal.sigma))
