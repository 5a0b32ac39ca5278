"""Configurations made up from the declarations that the loader reads: mostly right, partly not."""

from __future__ import annotations

import re
from functools import singledispatch
from random import Random
from typing import Any

from l7proxy.core.config.algorithms import AlgorithmName
from l7proxy.core.config.model import Config, PoolConfig
from l7proxy.core.config.record import REQUIRED, Record, RecordOf
from l7proxy.core.config.spec import (
    Anything,
    Boolean,
    Either,
    ListOf,
    MapOf,
    Mapped,
    Maybe,
    Numeric,
    Spec,
    Text,
    WholeNumber,
)

JUNK: tuple[Any, ...] = (None, True, -1, 0, 0.5, 3, 10**12, "", "x", "/a", [], ["x"], {}, {"x": 1})
TEXTS = (
    *("a", "b", "/a", "/a/*", "a-1:80", "http://a:1", "unix:/x", "X-A", "GET", "x.org", "*.x.org"),
    *("client_ip", "header:X", "10.0.0.0/8", "{host}", "x y", "a\n", "", "[::1]", "everyone", "é"),
)


def some_configuration(random: Random, faults: float) -> dict[str, Any]:
    """A configuration in which about that share of the values is of the wrong kind."""
    value = some_record(random, Config, faults, 0)
    if random.random() < 0.3:
        value.pop("backend_pools", None)
        if random.random() < 0.95:
            value.pop("routes", None)
        value |= some_record(random, PoolConfig, faults, 1)
    return value


def some_record(random: Random, record: type[Record], faults: float, depth: int) -> dict[str, Any]:
    made = {}
    for name, declared in record.fields.items():
        wanted = 0.95 if declared.default is REQUIRED else 0.5 / (depth + 1)
        if random.random() < wanted:
            made[declared.key or name] = some_value(random, declared.spec, faults, depth + 1)
    if record.at_least_one and not made.keys() & set(record.at_least_one):
        keep_one(random, record, made, record.at_least_one, 1, faults, depth)
    for keys, least in ((record.exactly_one, 1), (record.at_most_one, 0)):
        if keys and random.random() >= faults:
            keep_one(random, record, made, keys, least, faults, depth)
    if random.random() < faults / 2:
        made[random.choice(("unknown", "backend"))] = 1
    return made


def keep_one(
    random: Random,
    record: type[Record],
    made: dict[str, Any],
    keys: tuple[str, ...],
    least: int,
    faults: float,
    depth: int,
) -> None:
    """Leaves one of the keys, and adds one where `least` is 1 and there is none."""
    given = [key for key in keys if key in made]
    for key in given[1:]:
        del made[key]
    if least and not given:
        key = random.choice(keys)
        made[key] = some_value(random, record.fields[key].spec, faults, depth + 1)


def some_value(random: Random, spec: Spec[Any], faults: float, depth: int) -> Any:
    if random.random() < faults:
        return random.choice(JUNK)
    return fitting_value(spec, random, faults, depth)


@singledispatch
def fitting_value(spec: Spec[Any], random: Random, faults: float, depth: int) -> Any:
    """A value of the right kind, in which there may be faults all the same."""
    assert isinstance(spec, Anything)
    return random.choice(JUNK)


@fitting_value.register(Maybe)
def _(spec: Maybe[Any], random: Random, faults: float, depth: int) -> Any:
    return None if random.random() < 0.3 else some_value(random, spec.spec, faults, depth)


@fitting_value.register(Mapped)
def _(spec: Mapped[Any], random: Random, faults: float, depth: int) -> Any:
    return some_value(random, spec.spec, faults, depth)


@fitting_value.register(Either)
def _(spec: Either[Any, Any], random: Random, faults: float, depth: int) -> Any:
    return some_value(random, random.choice((spec.one, spec.other)), faults, depth)


@fitting_value.register(RecordOf)
def _(spec: RecordOf[Any], random: Random, faults: float, depth: int) -> Any:
    return some_record(random, spec.record, faults, depth)


@fitting_value.register(ListOf)
def _(spec: ListOf[Any], random: Random, faults: float, depth: int) -> Any:
    size = random.randint(spec.min_items if random.random() < 0.9 else 0, 2)
    return [some_value(random, spec.item, faults, depth) for _ in range(max(size, 0))]


@fitting_value.register(MapOf)
def _(spec: MapOf[Any], random: Random, faults: float, depth: int) -> Any:
    return {
        str(some_value(random, spec.keys, faults, depth)): some_value(
            random, spec.item, faults, depth
        )
        for _ in range(random.randint(0 if depth > 1 else 1, 2))
    }


@fitting_value.register(AlgorithmName)
def _(spec: AlgorithmName, random: Random, faults: float, depth: int) -> Any:
    return random.choice(("random", "rr", "least_conn", "module:Class", "maglev", "ketama"))


@fitting_value.register(Text)
def _(spec: Text, random: Random, faults: float, depth: int) -> Any:
    return random.choice(spec.choices or fitting_texts(spec))


@fitting_value.register(Boolean)
def _(spec: Boolean, random: Random, faults: float, depth: int) -> Any:
    return random.random() < 0.5


@fitting_value.register(Numeric)
def _(spec: Numeric[float], random: Random, faults: float, depth: int) -> Any:
    low = spec.minimum if spec.minimum is not None else spec.above
    low = 0 if low is None else low
    high = spec.maximum if spec.maximum is not None else low + 10
    number: float = random.choice((low, low + 1, high, low + 0.5, high + 1))
    return int(number) if isinstance(spec, WholeNumber) and random.random() < 0.8 else number


def fitting_texts(spec: Text) -> list[str]:
    if spec.pattern is None:
        return ["a", "b"]
    return [text for text in TEXTS if re.search(spec.pattern, text)] or ["a"]
