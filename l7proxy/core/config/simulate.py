"""The part of the configuration that says how simulated backends behave."""

from __future__ import annotations

from collections.abc import Mapping

from l7proxy.core.config.fields import FRAMING, HEADER_LINES, PATH
from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import (
    Either,
    ListOf,
    MapOf,
    Number,
    Text,
    count,
    instant,
    seconds,
    share,
)


class CannedResponse(Record):
    """What a simulated backend answers."""

    status: int | None = field(count(200, 599), "HTTP status, 200 if not given", default=None)
    headers: Mapping[str, str | tuple[str, ...]] | None = field(
        HEADER_LINES, "response headers", default=None
    )
    body: str | None = field(Text(), "response body", default=None)

    def check(self, at: str, problems: Problems) -> None:
        for name in self.headers or ():
            if name.lower() in FRAMING:
                problems.conflict(pointer_to(at, "headers"), f"{name} can't be set here")

    @property
    def says_something(self) -> bool:
        return any(said is not None for said in (self.status, self.headers, self.body))


class LognormalConfig(Record):
    """Most answers near the median, a few much slower: what real latencies look like."""

    median: float = field(seconds(zero=False), "half of the answers are faster")
    sigma: float = field(Number(minimum=0, maximum=5), "how long the tail is", default=0.5)


class LatencyConfig(Record):
    """How long an answer takes: exactly one distribution."""

    fixed: float | None = field(seconds(), "always this long", default=None)
    uniform: tuple[float, ...] | None = field(
        ListOf(seconds(), min_items=2), "from the first to the second", default=None
    )
    exponential: float | None = field(seconds(zero=False), "this long on average", default=None)
    lognormal: LognormalConfig | None = field(
        RecordOf(LognormalConfig), "a long tail", default=None
    )

    exactly_one = ("fixed", "uniform", "exponential", "lognormal")

    def check(self, at: str, problems: Problems) -> None:
        ways = self.exactly_one
        if len(self.given(ways)) != 1:
            problems.add(at, f"give exactly one of {', '.join(ways)}")
        if self.uniform is not None and (
            len(self.uniform) != 2 or self.uniform[0] > self.uniform[1]
        ):
            problems.conflict(pointer_to(at, "uniform"), "must be the shortest and the longest")


class FaultConfig(Record):
    """Something that goes wrong for a while."""

    start: float = field(instant(), "when it begins (seconds)", default=0, key="from")
    end: float | None = field(
        instant(), "when it is over; never if not given", default=None, key="to"
    )
    fault: str = field(
        Text(choices=("refuse", "reset", "hang", "status")),
        "refuse: no connection; reset: no response; hang: no end; status: an error",
    )
    status: int = field(count(400, 599), "the error, where the fault is status", default=503)
    probability: float = field(share(), "the share of requests that meet it", default=1)

    def check(self, at: str, problems: Problems) -> None:
        if self.end is not None and self.end <= self.start:
            problems.conflict(pointer_to(at, "to"), "must be after from")


class SimulateConfig(CannedResponse):
    """How simulated backends behave: a request's own settings win over its backend's, those
    over its pool's."""

    paths: Mapping[str, CannedResponse] | None = field(
        MapOf(RecordOf(CannedResponse), keys=PATH),
        "answers by path prefix, whole segments; the longest prefix wins",
        default=None,
    )
    latency: float | LatencyConfig | None = field(
        Either(seconds(), RecordOf(LatencyConfig)), "how long an answer takes", default=None
    )
    concurrency: int | None = field(
        count(), "requests served at once; the rest wait inside the backend", default=None
    )
    faults: tuple[FaultConfig, ...] | None = field(
        ListOf(RecordOf(FaultConfig)), "what goes wrong, and when", default=None
    )
