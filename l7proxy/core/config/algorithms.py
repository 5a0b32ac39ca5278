"""The algorithms that are built in: their selectors, options, names, and what else they are called.

Whether a name can mean anything is known here, when a configuration is loaded. The class that it
means is looked up, and somebody else's imported, when the pool is made (`selectors.registry`).
"""

from __future__ import annotations

from collections.abc import Mapping

from l7proxy.core.config.outside import SELECTOR, Outside
from l7proxy.core.config.problems import Problems, suggestion
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import BAD, Bad, Either, Mapped, Number, Text, count, seconds

ENTRY_POINTS = "l7proxy.selectors"
"""The entry-point group in which an installed package offers selectors by name."""

REQUEST_PARTS = ("client_ip", "path", "host")
"""The parts of a request that a hash key can be without a name to look up."""

LARGEST_TABLE = 5_000_011


class HashKeyConfig(Record):
    """The part of a request by which it always goes to the same backend."""

    query: str | None = field(Text(min_length=1), "a query parameter", default=None)
    header: str | None = field(Text(min_length=1), "a header field", default=None)
    cookie: str | None = field(Text(min_length=1), "a cookie", default=None)
    fallback: str = field(
        Text(choices=REQUEST_PARTS), "what is used where that is absent", default="client_ip"
    )

    exactly_one = ("query", "header", "cookie")

    def check(self, at: str, problems: Problems) -> None:
        if len(self.given(self.exactly_one)) != 1:
            problems.add(at, "give one of query, header and cookie")


def _checked_prime(size: int) -> int:
    """Returns a table's size: only in a prime one does every step reach every slot."""
    if size < 2 or any(size % divisor == 0 for divisor in range(2, int(size**0.5) + 1)):
        raise ValueError(f"must be a prime number, which {size} is not")
    return size


class NoOptions(Record):
    """An algorithm with nothing to choose."""


class HashOptions(Record):
    """What every algorithm that goes by a hash of the request understands."""

    hash_key: str | HashKeyConfig = field(
        Either(Text(choices=REQUEST_PARTS), RecordOf(HashKeyConfig)),
        "what of a request is hashed",
        default="client_ip",
    )


class RingOptions(HashOptions):
    """A ring of points."""

    points: int = field(count(1, 10_000), "points on the ring per unit of weight", default=160)


class BoundedLoadOptions(RingOptions):
    """A ring on which nobody is given much more than the average."""

    factor: float = field(
        Number(above=1, maximum=100), "in-flight requests at most, times the average", default=1.25
    )


class MaglevOptions(HashOptions):
    """A table of slots."""

    table_size: int = field(
        Mapped(count(2, LARGEST_TABLE), _checked_prime),
        "slots in the table, a prime",
        default=65_537,
    )


class LeastTimeOptions(Record):
    """How response times are remembered."""

    decay: float = field(
        seconds(zero=False), "time in which a response time loses most of its say", default=10
    )


class Algorithm:
    """A built-in algorithm: its selector, its options and its other names.

    `selector` is `file:Class` in `core/selectors`, which is imported only when a pool needs it.
    `also_called` are the names under which people know it elsewhere.
    """

    __slots__ = ("also_called", "options", "selector")

    def __init__(
        self,
        selector: str,
        options: type[Record] = NoOptions,
        *,
        also_called: tuple[str, ...] = (),
    ) -> None:
        self.selector = selector
        self.options = options
        self.also_called = also_called


BUILT_IN: Mapping[str, Algorithm] = {
    "bounded-load": Algorithm(
        "bounded_load:BoundedLoad",
        BoundedLoadOptions,
        also_called=("bounded-load-hash", "consistent-hash-bounded-load"),
    ),
    "first": Algorithm("first:First", also_called=("first-available", "fill-first")),
    "ip-hash": Algorithm("ip_hash:IpHash", also_called=("iphash", "source", "source-ip")),
    "least-connections": Algorithm(
        "least_connections:LeastConnections",
        also_called=(
            "least-conn",
            "least-connection",
            "leastconn",
            "least-request",
            "least-requests",
            "weighted-least-connections",
            "weighted-least-conn",
            "wlc",
        ),
    ),
    "least-time": Algorithm(
        "least_time:LeastTime",
        LeastTimeOptions,
        also_called=("peak-ewma", "ewma", "least-response-time", "fastest"),
    ),
    "maglev": Algorithm("maglev:Maglev", MaglevOptions, also_called=("maglev-hash",)),
    "power-of-two-choices": Algorithm(
        "power_of_two:PowerOfTwoChoices",
        also_called=(
            "power-of-two",
            "p2c",
            "two-choices",
            "random-two",
            "random-two-least-conn",
        ),
    ),
    "random": Algorithm("weighted_random:WeightedRandom", also_called=("weighted-random", "rand")),
    "rendezvous": Algorithm(
        "rendezvous:Rendezvous",
        HashOptions,
        also_called=("rendezvous-hash", "hrw", "highest-random-weight"),
    ),
    "ring-hash": Algorithm(
        "ring_hash:RingHash",
        RingOptions,
        also_called=(
            "consistent-hash",
            "consistent-hashing",
            "consistent",
            "ketama",
            "hash-ring",
        ),
    ),
    "round-robin": Algorithm(
        "round_robin:RoundRobin",
        also_called=(
            "roundrobin",
            "rr",
            "weighted-round-robin",
            "weighted-roundrobin",
            "smooth-weighted-round-robin",
            "wrr",
            "swrr",
        ),
    ),
}
"""The algorithms that are built in, by name: a new one needs its class, and an entry here."""

OPTIONS: Mapping[str, type[Record]] = {
    name: algorithm.options for name, algorithm in BUILT_IN.items()
}
"""The options of each built-in algorithm, by its name."""

ALIASES: Mapping[str, str] = {
    spelling: name
    for name, algorithm in BUILT_IN.items()
    for other in (name, *algorithm.also_called)
    for spelling in (other, other.replace("-", "_"))
    if spelling != name
}
"""The name for each alias; hyphens may be written as underscores."""


class UnknownSelector(ValueError):
    """No selector has that name; the text says what to write instead."""


def algorithm_name(written: str) -> str:
    """Returns the one name of an algorithm, whichever of its names was written."""
    return ALIASES.get(written, written)


def check_algorithm(written: str) -> str:
    """Returns a name that may be a selector's, as written; raises `UnknownSelector` for others.

    Any `module:Class` may be: whether it is one is known when it is imported.
    """
    if algorithm_name(written) in OPTIONS or ":" in written:
        return written
    offered = offered_selectors()
    if written in offered:
        return written
    known = sorted({*OPTIONS, *offered})
    near = suggestion(written, [*known, *ALIASES])
    raise UnknownSelector(f'no selector named "{written}"{near} (known: {", ".join(known)})')


class AlgorithmName(Outside):
    """The name of a selector; a `module:Class` leads outside, to code that will run."""

    def __init__(self) -> None:
        super().__init__(SELECTOR)

    def is_outside(self, name: str) -> bool:
        return ":" in name

    def load(self, value: object, at: str, problems: Problems) -> str | Bad:
        loaded = super().load(value, at, problems)
        if isinstance(loaded, Bad):
            return BAD
        try:
            return check_algorithm(loaded)
        except UnknownSelector as error:
            problems.add(at, str(error))
            return BAD


def offered_selectors() -> Mapping[str, str]:
    """Returns the `module:Class` of each selector that an installed package offers, by its name."""
    from importlib.metadata import entry_points

    # Of several with one name the first counts, as it does for importlib.
    return {entry.name: entry.value for entry in reversed(entry_points(group=ENTRY_POINTS))}


def spellings(options: type[Record]) -> list[str]:
    """Returns every name and alias of the algorithms that have these options."""
    names = [name for name, record in OPTIONS.items() if record is options]
    return names + [alias for alias, name in ALIASES.items() if name in names]
