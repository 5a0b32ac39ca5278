"""Kinds of JSON values that a configuration is made of, each declared once.

A `Spec[T]` loads a JSON value as a `T`. It collects every problem with its JSON pointer instead of
stopping at the first. `json_schema` describes the same specs for editors and other tools: there is
no second description to keep in step.
"""

from __future__ import annotations

import re

from l7proxy.core.config.problems import json_type, pointer_to, refuse_repeated, suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Generic, TypeVar

    from l7proxy.core.config.problems import Problems

    T = TypeVar("T", covariant=True)
    One = TypeVar("One", covariant=True)
    Other = TypeVar("Other", covariant=True)
    Loaded = TypeVar("Loaded")


class _Unparametrised:
    """A base class that may be given type parameters, and forgets them."""

    __slots__ = ()

    @classmethod
    def __class_getitem__(cls, parameters: object) -> type[_Unparametrised]:
        return cls


# To a type checker it is typing's own, which takes too long to import for a one-line run.
Generic = _Unparametrised  # type: ignore[assignment]


class Bad:
    """The type of `BAD`."""

    __slots__ = ()


BAD = Bad()
"""A spec returns it in place of a value where it has reported a problem."""


class Spec(Generic["T"]):
    """A kind of JSON value, which is loaded as a `T`."""

    expected = "a value"
    """The name of such a value in error messages."""

    def load(self, value: object, at: str, problems: Problems) -> T | Bad:
        """Returns the loaded value, or `BAD` after adding to `problems`; `at` is its pointer."""
        raise NotImplementedError

    def accepts(self, value: object) -> bool:
        """Returns whether the value has the JSON type of this spec; `Either` chooses by it."""
        raise NotImplementedError

    def wrong(self, value: object, at: str, problems: Problems) -> Bad:
        """Reports a value of another JSON type; returns `BAD`."""
        problems.add(at, f"must be {self.expected}, not {json_type(value)}")
        return BAD


class Text(Spec["str"]):
    """A string, perhaps one of `choices`, perhaps matching the regular expression `pattern`.

    `meaning` says in an error message what the pattern stands for.
    """

    expected = "a string"

    def __init__(
        self,
        *,
        choices: Iterable[str] = (),
        pattern: str | None = None,
        meaning: str = "",
        min_length: int = 0,
    ) -> None:
        self.choices = tuple(choices)
        self.pattern = pattern
        self.meaning = meaning
        self.min_length = min_length

    def accepts(self, value: object) -> bool:
        return type(value) is str

    def load(self, value: object, at: str, problems: Problems) -> str | Bad:
        if type(value) is not str:
            return self.wrong(value, at, problems)
        if self.choices and value not in self.choices:
            known = ", ".join(f'"{choice}"' for choice in self.choices)
            problems.add(at, f'"{value}" is not one of {known}{suggestion(value, self.choices)}')
            return BAD
        if len(value) < self.min_length:
            problems.add(at, "must not be empty")
            return BAD
        if self.pattern is not None and re.search(self.pattern, value) is None:
            problems.add(at, f'"{value}" must be {self.meaning or self.pattern}')
            return BAD
        return value


class Reference(Text):
    """The name of something that a `MapOf(defines=noun)` must define, such as a "pool"."""

    def __init__(self, noun: str) -> None:
        super().__init__(min_length=1)
        self.noun = noun

    def load(self, value: object, at: str, problems: Problems) -> str | Bad:
        loaded = super().load(value, at, problems)
        if not isinstance(loaded, Bad):
            problems.refer(at, self.noun, loaded)
        return loaded


class Numeric(Spec["T"]):
    """A finite number within bounds: what `Number` and `WholeNumber` have in common."""

    def __init__(
        self,
        *,
        minimum: float | None = None,
        above: float | None = None,
        maximum: float | None = None,
    ) -> None:
        self.minimum = minimum
        self.above = above
        self.maximum = maximum

    def accepts(self, value: object) -> bool:
        return type(value) is int or type(value) is float

    def complaint(self, value: float) -> str | None:
        """Returns the problem with a number that is out of bounds; None for all others."""
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum}, not {value}"
        if self.above is not None and value <= self.above:
            return f"must be greater than {self.above}, not {value}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum}, not {value}"
        return None


class Number(Numeric["float"]):
    """A finite number within bounds."""

    expected = "a number"

    def load(self, value: object, at: str, problems: Problems) -> float | Bad:
        if type(value) is not int and type(value) is not float:
            return self.wrong(value, at, problems)
        wrong = "must be a finite number" if value - value != 0 else self.complaint(value)
        if wrong is not None:
            problems.add(at, wrong)
            return BAD
        return value


class WholeNumber(Numeric["int"]):
    """A whole number within bounds; it may be written as 2.0."""

    expected = "a whole number"

    def load(self, value: object, at: str, problems: Problems) -> int | Bad:
        if type(value) is not int and type(value) is not float:
            return self.wrong(value, at, problems)
        wrong = "must be a finite number" if value - value != 0 else self.complaint(value)
        if wrong is not None:
            problems.add(at, wrong)
            return BAD
        return int(value)

    def complaint(self, value: float) -> str | None:
        if value != int(value):
            return f"must be a whole number, not {value}"
        return super().complaint(value)


LONGEST = 10 * 365 * 86400
"""The longest duration (seconds): more than anyone means, and less than any clock overflows at."""


def seconds(*, zero: bool = True) -> Number:
    """Returns the spec of a duration in seconds."""
    return Number(minimum=0, maximum=LONGEST) if zero else Number(above=0, maximum=LONGEST)


def instant() -> Number:
    """Returns the spec of a point in time, in seconds; virtual time may count from any year."""
    return Number(minimum=0, maximum=1e15)


def count(minimum: int = 1, maximum: int | None = None) -> WholeNumber:
    """Returns the spec of a whole number of things."""
    return WholeNumber(minimum=minimum, maximum=maximum)


def share() -> Number:
    """Returns the spec of a share of a whole, 0 to 1."""
    return Number(minimum=0, maximum=1)


class Boolean(Spec["bool"]):
    """true or false."""

    expected = "true or false"

    def accepts(self, value: object) -> bool:
        return type(value) is bool

    def load(self, value: object, at: str, problems: Problems) -> bool | Bad:
        return value if type(value) is bool else self.wrong(value, at, problems)


class Anything(Spec["Any"]):
    """Any JSON value, for options whose meaning a third party's class knows."""

    def accepts(self, value: object) -> bool:
        return True

    def load(self, value: object, at: str, problems: Problems) -> Any:
        return value


class ListOf(Spec["tuple[T, ...]"]):
    """An array, loaded as a tuple."""

    expected = "an array"

    def __init__(self, item: Spec[T], *, min_items: int = 0) -> None:
        self.item = item
        self.min_items = min_items

    def accepts(self, value: object) -> bool:
        return type(value) is list

    def load(self, value: object, at: str, problems: Problems) -> tuple[T, ...] | Bad:
        if type(value) is not list:
            return self.wrong(value, at, problems)
        if len(value) < self.min_items:
            problems.add(at, f"needs at least {self.min_items} element(s)")
            return BAD
        loaded: list[T] = []
        for index, item in enumerate(value):
            made = self.item.load(item, f"{at}/{index}", problems)
            if not isinstance(made, Bad):
                loaded.append(made)
        return tuple(loaded) if len(loaded) == len(value) else BAD


class MapOf(Spec["Mapping[str, T]"]):
    """An object whose keys are names of the user's choice.

    With `defines` (a noun, such as "pool"), each key names one of those, broken or not: a
    reference to what is itself wrong is not a second mistake.
    """

    expected = "an object"

    def __init__(
        self, item: Spec[T], *, keys: Spec[str] | None = None, defines: str | None = None
    ) -> None:
        self.item = item
        self.keys = keys or Text(min_length=1)
        self.defines = defines

    def accepts(self, value: object) -> bool:
        return isinstance(value, dict)

    def load(self, value: object, at: str, problems: Problems) -> Mapping[str, T] | Bad:
        if not isinstance(value, dict):
            return self.wrong(value, at, problems)
        before = len(problems)
        refuse_repeated(value, at, problems)
        loaded: dict[str, T] = {}
        for key, item in value.items():
            below = pointer_to(at, key)
            self.keys.load(key, below, problems)
            if self.defines is not None:
                problems.define(self.defines, key)
            made = self.item.load(item, below, problems)
            if not isinstance(made, Bad):
                loaded[key] = made
        return loaded if len(problems) == before else BAD


class Either(Spec["One | Other"]):
    """One of two specs of different JSON types; nested where there are more."""

    def __init__(self, one: Spec[One], other: Spec[Other]) -> None:
        self.one = one
        self.other = other
        self.expected = f"{one.expected} or {other.expected}"

    def accepts(self, value: object) -> bool:
        return self.one.accepts(value) or self.other.accepts(value)

    def load(self, value: object, at: str, problems: Problems) -> One | Other | Bad:
        if self.one.accepts(value):
            return self.one.load(value, at, problems)
        if self.other.accepts(value):
            return self.other.load(value, at, problems)
        return self.wrong(value, at, problems)


class Maybe(Spec["T | None"]):
    """A spec, or null for "none at all" where leaving the key out means something else."""

    def __init__(self, spec: Spec[T]) -> None:
        self.spec = spec
        self.expected = f"{spec.expected} or null"

    def accepts(self, value: object) -> bool:
        return value is None or self.spec.accepts(value)

    def load(self, value: object, at: str, problems: Problems) -> T | Bad | None:
        if value is None:
            return None
        if not self.spec.accepts(value):
            return self.wrong(value, at, problems)
        return self.spec.load(value, at, problems)


class Mapped(Spec["T"]):
    """A spec whose loaded value is turned into another by `convert`.

    `convert` raises ValueError, with a text for people, where the value can't be used.
    """

    def __init__(self, spec: Spec[Loaded], convert: Callable[[Loaded], T]) -> None:
        self.spec: Spec[Any] = spec
        self.convert: Callable[[Any], T] = convert
        self.expected = spec.expected

    def accepts(self, value: object) -> bool:
        return self.spec.accepts(value)

    def load(self, value: object, at: str, problems: Problems) -> T | Bad:
        loaded = self.spec.load(value, at, problems)
        if isinstance(loaded, Bad):
            return BAD
        try:
            return self.convert(loaded)
        except ValueError as error:
            problems.conflict(at, str(error))
            return BAD
