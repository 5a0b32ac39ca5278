"""Records: frozen classes whose attributes are declared with the specs that load them.

    class WheelConfig(Record):
        '''What a wheel is like.'''

        size: float = field(Number(above=0), "how large")
        spokes: int = field(count(2, 40), "how many", default=8)

`dataclasses` is not used because importing it (it brings `inspect`) costs more than a whole
one-line run of the node; to a type checker these classes are dataclasses, and each attribute's
type is held to what its spec loads.

What `field` returns is not what its type says, and a record's values are in its `__dict__`: mypyc
can compile neither this module nor those that declare records.
"""

from __future__ import annotations

from l7proxy.core.config.problems import pointer_to, refuse_repeated, suggestion
from l7proxy.core.config.spec import BAD, Bad, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

    from l7proxy.core.config.problems import Problems

    T = TypeVar("T")
    R = TypeVar("R", bound="Record", covariant=True)


def _leave_as_it_is(**options: object) -> Callable[[type], type]:
    """Returns a decorator of classes that does nothing."""
    return lambda decorated: decorated


# To a type checker it is typing's own, which takes too long to import for a one-line run.
dataclass_transform = _leave_as_it_is  # type: ignore[assignment]

REQUIRED: Any = object()
"""The default of a field that must be given."""


class Field:
    """A record's attribute: its spec, its default and one line about it."""

    __slots__ = ("default", "doc", "key", "pointer", "spec")

    def __init__(self, spec: Spec[Any], doc: str, default: Any, key: str) -> None:
        self.spec = spec
        self.default = default
        self.doc = doc
        self.key = key
        """The key under which it is written in the JSON."""
        self.pointer = ""
        """The JSON pointer of its value, from the record."""


def field(spec: Spec[T], doc: str, *, default: T = REQUIRED, key: str = "") -> T:
    """Declares a record's attribute; its key in the JSON is `key`, or the attribute's name."""
    return Field(spec, doc, default, key)  # type: ignore[return-value]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Record:
    """A frozen bundle of validated values, compared and printed by its fields."""

    fields: ClassVar[Mapping[str, Field]] = {}
    """The fields, by the names of their attributes."""
    keys: ClassVar[tuple[str, ...]] = ()
    """The keys of the fields in the JSON."""
    exactly_one: ClassVar[tuple[str, ...]] = ()
    """Keys of which one is given, and no more: `check` refuses anything else."""
    at_least_one: ClassVar[tuple[str, ...]] = ()
    """Keys of which one is given, or more: `check` refuses a record without any."""
    at_most_one: ClassVar[tuple[str, ...]] = ()
    """Keys of which no two are given: `check` refuses them."""

    def __init_subclass__(cls) -> None:
        declared = dict(cls.fields)
        for name, value in list(cls.__dict__.items()):
            if isinstance(value, Field):
                value.key = value.key or name
                value.pointer = pointer_to("", value.key)
                declared[name] = value
                delattr(cls, name)
        cls.fields = declared
        cls.keys = tuple(f.key for f in declared.values())

    def __init__(self, **values: Any) -> None:
        unknown = values.keys() - self.fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        own = self.__dict__
        for name, declared in self.fields.items():
            value = values.get(name, declared.default)
            if value is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {name}")
            own[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} can't be set")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        said = (f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({', '.join(said)})"

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some values changed."""
        return type(self)(**{**self.__dict__, **changes})

    @classmethod
    def load(cls, value: Mapping[str, object], at: str, problems: Problems) -> Self | Bad:
        """Returns the record, or `BAD` after adding to `problems`; unknown keys are refused."""
        before = len(problems)
        refuse_repeated(value, at, problems)
        for key in value:
            if key not in cls.keys:
                problems.add(pointer_to(at, key), cls.unknown(key))
        record = cls.__new__(cls)
        own = record.__dict__
        for name, declared in cls.fields.items():
            key = declared.key
            if key in value:
                loaded = declared.spec.load(value[key], at + declared.pointer, problems)
                if loaded is not BAD:
                    own[name] = loaded
            elif declared.default is REQUIRED:
                problems.add(at, f'"{key}" is missing')
            else:
                own[name] = declared.default
        try:
            record.check(at, problems)
        except AttributeError as error:
            # A field that was refused has no value, so nothing can be said of what depends on it.
            if error.obj is not record or error.name in own or error.name not in cls.fields:
                raise
        return record if len(problems) == before else BAD

    @classmethod
    def unknown(cls, key: str) -> str:
        """Returns the problem with a key that the record does not have."""
        return f"unknown key{suggestion(key, cls.keys)}"

    def given(self, keys: Iterable[str]) -> list[str]:
        """Returns which of these fields, each with its key for a name, are not None."""
        return [key for key in keys if getattr(self, key) is not None]

    def check(self, at: str, problems: Problems) -> None:
        """Adds the contradictions between this record's fields to `problems`.

        A field that was refused has no attribute: looking at it ends the check.
        """


class RecordOf(Spec["R"]):
    """A record, written as a JSON object."""

    expected = "an object"

    def __init__(self, record: type[R]) -> None:
        self.record = record

    def accepts(self, value: object) -> bool:
        return isinstance(value, dict)

    def load(self, value: object, at: str, problems: Problems) -> R | Bad:
        if not isinstance(value, dict):
            return self.wrong(value, at, problems)
        return self.record.load(value, at, problems)
