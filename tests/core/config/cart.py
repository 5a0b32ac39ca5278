"""Records to try things on: a cart, which has wheels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from l7proxy.core.config.problems import Problems
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import (
    Anything,
    Boolean,
    Either,
    ListOf,
    MapOf,
    Mapped,
    Maybe,
    Number,
    Reference,
    Text,
    count,
    seconds,
    share,
)


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


class Wheel(Record):
    """A wheel.

    Of which a cart has some.
    """

    size: float = field(Number(above=0, maximum=9), "how large")
    spokes: int = field(Mapped(count(2, 40), even), "how many, evenly", default=8)
    axle: str | None = field(Reference("axle"), "where it turns", default=None)


class Cart(Record):
    """A cart."""

    name: str = field(
        Text(min_length=1, pattern="^[a-z]*$", meaning="in small letters"), "its name"
    )
    kind: str = field(Text(choices=("hand", "horse")), "what moves it", default="hand")
    wheels: tuple[Wheel, ...] = field(ListOf(RecordOf(Wheel), min_items=1), "they turn", default=())
    parts: Mapping[str, Wheel] = field(
        MapOf(RecordOf(Wheel), keys=Text(pattern="^p")), "", default={}
    )
    axles: Mapping[str, object] = field(MapOf(Anything(), defines="axle"), "by name", default={})
    cargo: str | float = field(Either(Text(), share()), "what is on it", default=0, key="load")
    wait: float = field(seconds(), "a while", default=0, key="while")
    late: bool = field(Boolean(), "is it?", default=False)
    pause: float = field(seconds(zero=False), "a rest", default=1)
    mixed: Any = field(
        Either(
            Either(Boolean(), ListOf(Text())),
            Either(Mapped(Number(), float), Either(Maybe(MapOf(Text())), RecordOf(Wheel))),
        ),
        "anything goes",
        default=None,
    )
    note: str | None = field(Maybe(Text()), "", default=None)
    rest: Any = field(Either(Anything(), Text()), "", default=None)

    def check(self, at: str, problems: Problems) -> None:
        if self.late and self.wait:
            problems.conflict(at, "late and waiting")


def load(value: Any) -> tuple[Any, list[str]]:
    problems = Problems()
    loaded = RecordOf(Cart).load(value, "", problems)
    problems.resolve()
    return loaded, [str(problem) for problem in problems.found]
